"""Check the data of a training: what is there, what is wrong with it, and what to do.

Takes the same overrides as train.py. Writes doctor.html and doctor.json. Exits with 0 if a training
can run, and with 1 if something must be fixed first. --quarantine lists the bad files in FILE;
dataset.quarantine=FILE then trains without them. --packed also reads all packed crops that the run
would use and compares their checksums.
"""

import argparse
import json
import logging
from pathlib import Path

from omegaconf import DictConfig

from handpose.config import check_command_line
from handpose.config.checks.folders import require_writable
from handpose.config.checks.overrides import path_argument
from handpose.config.composer import compose_config
from handpose.config.schema import register
from handpose.invocation import command_line
from handpose.pipeline.third_party_messages import told_once


def main(argv: list[str] | None = None) -> None:
    """Refuses a wrong command line as train.py does, then examines the data."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("overrides", nargs="*", metavar="KEY=VALUE", help="as for train.py")
    add("--out", type=path_argument, metavar="DIR", help="output folder (default: doctor/DATASET)")
    add("--quarantine", type=path_argument, metavar="FILE", help="list the bad files in FILE")
    add("--packed", action="store_true", help="compare the checksums of the packed crops")
    arguments = parser.parse_intermixed_args(argv)
    register()
    check_command_line(arguments.overrides)
    cfg = compose_config(*arguments.overrides)
    logging.basicConfig(format="%(message)s", level=logging.INFO)  # building an index takes long
    with told_once():
        is_ready = _examine(cfg, arguments)
    raise SystemExit(0 if is_ready else 1)


def _examine(cfg: DictConfig, arguments: argparse.Namespace) -> bool:
    """Examines, writes and prints; returns whether a training can run."""
    from handpose.doctor.advice import Request
    from handpose.doctor.diagnosis import as_json, diagnose, list_bad_files
    from handpose.doctor.page import print_diagnosis, render_page
    from handpose.doctor.sources import configured_sources, dataset_name

    datasets = configured_sources(cfg)
    names = [dataset_name(cfg, key) for key in datasets]
    out = arguments.out or Path("doctor") / "+".join(names)
    require_writable("--out", out)
    request = Request(
        arguments.overrides,
        out,
        arguments.quarantine,
        debug=bool((cfg.trainer.caps or {}).get("samples")),
        reference_bone=cfg.reference_bone,
        has_head=cfg.head.get("_target_") is not None,
        evaluated=cfg.evaluate.split,
        evaluates_apart=cfg.evaluate.dataset is not None,
    )
    diagnosis = diagnose(datasets, request)
    out.mkdir(parents=True, exist_ok=True)
    page = render_page(diagnosis, command=command_line("doctor"))
    (out / "doctor.html").write_text(page, encoding="utf-8")
    (out / "doctor.json").write_text(json.dumps(as_json(diagnosis), indent=1, allow_nan=False))
    print_diagnosis(diagnosis, page=str(out / "doctor.html"))
    if arguments.quarantine is not None:
        count = list_bad_files(diagnosis, arguments.quarantine)
        print(f"Bad files and records listed in {arguments.quarantine}: {count}")
    return diagnosis.is_ready and (not arguments.packed or _packs_are_sound(cfg))


def _packs_are_sound(cfg: DictConfig) -> bool:
    """Prints the state of each pack; returns whether none is corrupt."""
    from handpose.doctor.packs import check_packs

    is_sound = True
    for state in check_packs(cfg):
        print(f"{state.folder}: {state.text}")
        is_sound &= not state.is_corrupt
    return is_sound
