"""Pack the crops that a training would use, so that no epoch decodes an image again.

Takes the same overrides as train.py. A run then uses packs of raw crops by itself
(dataset.packed=auto), and with dataset.packed=true it also packs what is missing. After a kill, the
same command resumes.
"""

import argparse
import logging
from pathlib import Path

from omegaconf import DictConfig

from handpose.config import check, check_command_line
from handpose.config.composer import compose_config
from handpose.config.errors import ends_with_message
from handpose.config.schema import register
from handpose.pipeline.third_party_messages import told_once


def main(argv: list[str] | None = None) -> None:
    """Refuses a wrong command line as train.py does, then packs, lists or deletes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("overrides", nargs="*", metavar="KEY=VALUE", help="as for train.py")
    add(
        "--list",
        action="store_true",
        help="list all packs; with overrides, also those that they use",
    )
    add("--delete", action="append", metavar="ADDRESS", help="delete a pack; may be repeated")
    arguments = parser.parse_intermixed_args(argv)
    register()
    check_command_line(arguments.overrides)
    cfg = compose_config(*arguments.overrides)
    logging.basicConfig(format="%(message)s", level=logging.INFO)  # packing takes long
    with told_once(), ends_with_message():
        _act(cfg, arguments)


def _act(cfg: DictConfig, arguments: argparse.Namespace) -> None:
    folder = Path(cfg.paths.cache) / "packed"
    if arguments.delete:
        from handpose.data.packed.folder import delete

        for address in arguments.delete:
            for path in delete(folder, address):
                print(f"deleted {path}")
        return
    check(cfg)
    from handpose.pack.job import list_packs, pack_all

    lines = (
        list_packs(cfg if arguments.overrides else None, folder)
        if arguments.list
        else pack_all(cfg, folder)
    )
    for line in lines:
        print(line, flush=True)
