"""`handpose train [GROUP=CHOICE] [KEY=VALUE] ...`: pre-train, fine-tune, evaluate, report.

`handpose train --help` lists the choices. Heavy imports wait until the configuration has passed
its checks.
"""

import sys

import hydra
from omegaconf import DictConfig

from handpose.config import check, check_command_line, without_traceback
from handpose.config.catalogue import CONF
from handpose.config.schema import register
from handpose.pipeline.launch import must_start_processes, start_processes
from handpose.pipeline.resume import telling_how_to_resume
from handpose.sweep.cells import attempt


def main(argv: list[str] | None = None) -> None:
    """Execute the command line: a run, a sweep, or help.

    Args:
        argv: overrides and flags for Hydra; None for `sys.argv[1:]`.
    """
    if argv is not None:
        sys.argv[1:] = argv  # Hydra reads them there
    with telling_how_to_resume():
        try:
            check_command_line(sys.argv[1:])
            hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(train)()
        except KeyboardInterrupt:  # during the imports, or a second one
            print("Interrupted.", file=sys.stderr)
            raise SystemExit(130) from None


def train(cfg: DictConfig) -> float | str | None:
    """Execute one run or one cell of a sweep; return the cell's metric, or why it failed."""
    return attempt(_run, cfg)


def _run(cfg: DictConfig) -> None:
    check(cfg)
    if must_start_processes(cfg):
        start_processes(cfg)
        return
    from handpose.pipeline.run import run

    with without_traceback():
        run(cfg)


register()  # at import: the workers of a sweep import this module and call `train`
