"""`python train.py [GROUP=CHOICE] [KEY=VALUE] ...`: pre-train, fine-tune, evaluate, report.

`python train.py --help` lists the choices. Heavy imports wait until the configuration has passed
its checks.
"""

import sys

import hydra
from omegaconf import DictConfig

from handpose.config import check, check_command_line, without_traceback
from handpose.config.schema import register
from handpose.pipeline.launch import must_start_processes, start_processes
from handpose.pipeline.resume import telling_how_to_resume
from handpose.sweep.cells import attempt


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg: DictConfig) -> str | None:
    """One run, or one cell of a sweep; returns why the cell failed."""
    return attempt(_run, cfg)


def _run(cfg: DictConfig) -> None:
    check(cfg)
    if must_start_processes(cfg):
        start_processes(cfg)
        return
    from handpose.pipeline.run import run

    with without_traceback():
        run(cfg)


register()
if __name__ == "__main__":
    with telling_how_to_resume():
        try:
            check_command_line(sys.argv[1:])
            main()
        except KeyboardInterrupt:  # during the imports, which take long, or the second one
            print("Interrupted.", file=sys.stderr)
            raise SystemExit(130) from None
