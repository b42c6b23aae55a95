"""`python scripts/doctor.py [GROUP=CHOICE] [KEY=VALUE] ... [--out DIR] [--quarantine FILE]`

Looks at the data that train.py would use with the same overrides: what is there, what is wrong with
it, and what to do. Writes doctor.html and doctor.json; exits with 0 if a training could run, with
1 if something must be fixed first. --quarantine lists the bad files in FILE, to train without
them by dataset.quarantine=FILE.
"""

import argparse
import json
import logging
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from handpose.config import check_command_line
from handpose.config.folders import require_writable
from handpose.config.schema import register
from handpose.config.writing import path_argument
from handpose.pipeline.third_party_messages import told_once

if TYPE_CHECKING:
    from handpose.doctor.source import Source

CONF = Path(__file__).resolve().parents[1] / "conf"
_STAGES = ("pretrain.dataset", "finetune.dataset")


def main() -> None:
    """Refuses a wrong command line as train.py does, before anything heavy is imported."""
    arguments = _arguments()
    register()
    check_command_line(arguments.overrides)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=arguments.overrides, return_hydra_config=True)
    logging.basicConfig(format="%(message)s", level=logging.INFO)  # an index may take long
    with told_once():
        is_ready = _examine(cfg, arguments)
    raise SystemExit(0 if is_ready else 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", help="as for train.py")
    parser.add_argument("--out", type=path_argument, help="folder of the page; doctor/<dataset>")
    parser.add_argument(
        "--quarantine", type=path_argument, metavar="FILE", help="list the bad files here"
    )
    return parser.parse_intermixed_args()


def _examine(cfg: DictConfig, arguments: argparse.Namespace) -> bool:
    """Whether a training could run. Writes and prints the rest."""
    from handpose.doctor.diagnosis import as_json, diagnose, list_bad_files
    from handpose.doctor.page import render_page
    from handpose.doctor.request import Request
    from handpose.doctor.terminal import print_diagnosis

    datasets = _datasets(cfg)
    names = [_choice(cfg, key) for key in datasets]
    out = arguments.out or Path("doctor") / "+".join(names)
    debug = bool((cfg.trainer.caps or {}).get("samples"))
    request = Request(
        arguments.overrides,
        out,
        arguments.quarantine,
        debug,
        cfg.reference_bone,
        has_head=cfg.head.get("_target_") is not None,
        evaluated=cfg.evaluate.split,
    )
    require_writable("--out", out)
    diagnosis = diagnose(datasets, request)
    out.mkdir(parents=True, exist_ok=True)
    page = render_page(diagnosis, command=shlex.join(["python", *sys.argv]))
    (out / "doctor.html").write_text(page, encoding="utf-8")
    (out / "doctor.json").write_text(json.dumps(as_json(diagnosis), indent=1, allow_nan=False))
    print_diagnosis(diagnosis, page=str(out / "doctor.html"))
    if arguments.quarantine is not None:
        count = list_bad_files(diagnosis, arguments.quarantine)
        print(f"Bad files and records listed in {arguments.quarantine}: {count}")
    return diagnosis.is_ready


def _datasets(cfg: DictConfig) -> "dict[str, list[Source]]":
    """The sources of the run's dataset, or of each stage's where they have their own."""
    of_stages: Mapping[str, Any] = {key: _plain(OmegaConf.select(cfg, key)) for key in _STAGES}
    shared = _plain(cfg.dataset)
    own = {key: content for key, content in of_stages.items() if content != shared}
    chosen = ({} if len(own) == len(_STAGES) else {"dataset": shared}) | own
    return {key: _sources(key, content, _choice(cfg, key)) for key, content in chosen.items()}


def _plain(node: DictConfig) -> dict[str, Any]:
    content: Any = OmegaConf.to_container(node, resolve=True)
    return content


def _choice(cfg: DictConfig, key: str) -> str:
    """The name of a dataset's file in conf/dataset/."""
    choices = cfg.hydra.runtime.choices
    return choices.get(f"dataset@{key}") or choices["dataset"]


def _sources(key: str, settings: dict[str, Any], name: str) -> "list[Source]":
    """A source, or those that a mix takes: with its size and crops, as it would open them."""
    if "parts" not in settings:
        return [_source(key, name, settings)]
    of_all = {option: settings[option] for option in ("image_size", "crop_by")}
    return [
        _source(f"{key}.parts.{part}", part, settings["parts"][part] | of_all)
        for part in settings["sources"]
        if part in settings["parts"]
    ]


def _source(key: str, name: str, settings: dict[str, Any]) -> "Source":
    from handpose.data.base import HandDataset, Split
    from handpose.doctor.source import Source
    from handpose.pipeline.parts import Caps, build_dataset

    def open_split(split: Split, quarantine: str | None) -> HandDataset:
        changed = {"quarantine": quarantine} if quarantine else {}
        return build_dataset(OmegaConf.create(settings | changed), split, Caps())

    return Source(key, name, open_split, settings)


if __name__ == "__main__":
    main()
