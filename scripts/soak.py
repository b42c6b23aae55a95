"""`python scripts/soak.py [--minutes 30] [--every 60 120] [--seed 0] [KEY=VALUE] ...`

Runs train.py twice, in two stages: once in peace, and once while it is killed at random moments,
with kill -9, SIGTERM and Ctrl-C, and started again each time with the same command, until it is
finished. Both must end in the same bits: weights, optimizers, curves and results. A short run is
timed first, so that the killed one lasts about so many minutes; pretrain.max_epochs= and
finetune.max_epochs= say it instead. Exits with 1 on any difference, and where a run that was told
to stop left with another exit code than 143 or 130. All of it lies in runs/soak/<time>/.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from handpose.config import check_command_line
from handpose.config.schema import register
from handpose.config.writing import path_argument
from handpose.soak.kills import RunFailedError, Soaked, kill_until_finished, run_to_its_end
from handpose.soak.plan import Timing, has_length, of_epochs, plan_epochs, settings

ROOT = Path(__file__).resolve().parents[1]


def parsed() -> argparse.Namespace:
    """The command line, its overrides not yet checked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("overrides", nargs="*", metavar="KEY=VALUE", help="of both runs; of one process each")
    add("--minutes", type=float, default=30.0, help="that the killed run lasts, about")
    add("--every", type=float, nargs=2, default=(60.0, 120.0), metavar=("FROM", "TO"),
        help="seconds from a start to the kill, longer where it gets nowhere")  # fmt: skip
    add("--seed", type=int, default=0, help="of the moments and kinds of the kills")
    add("--out", type=path_argument, metavar="DIR", help="not there yet; default runs/soak/<time>")
    return parser.parse_intermixed_args()


class Soak:
    """Two runs below one folder.

    Args:
        folder: not there yet.
        overrides: of both.
    """

    def __init__(self, folder: Path, overrides: Sequence[str]) -> None:
        folder.mkdir(parents=True)
        self.folder, self.overrides = folder.resolve(), list(overrides)

    def command(self, name: str, *more: str) -> list[str]:
        """The run of that name; its steps are noted in NAME.steps."""
        python = [sys.executable, "-m", "handpose.soak.counted", str(self.steps(name))]
        return [*python, *self.overrides, *more, f"hydra.run.dir={self.folder / name}"]

    def steps(self, name: str) -> Path:
        return self.folder / f"{name}.steps"

    def run(self, name: str, *more: str) -> float:
        """In peace; returns its seconds."""
        log = self.folder / f"{name}.log"
        return run_to_its_end(self.command(name, *more), log=log, cwd=ROOT)

    def timed(self) -> Timing:
        """From a run of one epoch a stage, the second one: the first makes the data."""
        one = of_epochs(1, 1)
        self.run("warm-up", *one)
        seconds = self.run("timing", *one)
        results = json.loads((self.folder / "timing" / "results.json").read_text())
        stages = results["pretrain_seconds"], results["finetune_seconds"]
        return Timing(seconds - sum(stages), *stages)

    def killed(self, every: tuple[float, float], seed: int) -> Soaked:
        return kill_until_finished(
            self.command("killed"),
            self.folder / "killed",
            every=every,
            seed=seed,
            log=self.folder / "killed.log",
            cwd=ROOT,
        )


def main() -> None:
    """Checks, runs, compares; the exit code is the verdict."""
    options = parsed()
    register()
    try:
        overrides = settings(options.overrides)
        check_command_line(overrides)
        raise SystemExit(_soak(options, overrides))
    except (ValueError, RunFailedError, FileExistsError) as error:
        raise SystemExit(f"soak.py: {error}") from None


def _soak(options: argparse.Namespace, overrides: list[str]) -> int:
    """The exit code."""
    folder = options.out or ROOT / "runs" / "soak" / time.strftime("%Y-%m-%d-%H-%M-%S")
    soak, every = Soak(folder, overrides), tuple(options.every)
    if not has_length(overrides):
        timing = soak.timed()
        length = of_epochs(*plan_epochs(timing, minutes=options.minutes, every=every))
        print(f"{' '.join(length)}, since {timing}", flush=True)
        soak.overrides += length
    print(f"in peace: {soak.run('whole'):.0f} s", flush=True)
    soaked = soak.killed(every, options.seed)
    return _judge(soak, soaked)


def _judge(soak: Soak, soaked: Soaked) -> int:
    """Compares, prints and keeps what came of it; only this needs anything heavy."""
    from handpose.soak.compare import differences
    from handpose.soak.findings import Findings, print_findings
    from handpose.soak.steps import read_steps

    findings = Findings(
        soaked,
        whole=read_steps(soak.steps("whole")),
        killed=read_steps(soak.steps("killed")),
        differences=differences(soak.folder / "whole", soak.folder / "killed"),
    )
    print_findings(findings)
    content: dict[str, Any] = {"overrides": soak.overrides, **findings.as_json()}
    (soak.folder / "soak.json").write_text(json.dumps(content, indent=1))
    print(soak.folder)
    return 0 if findings.is_good else 1


if __name__ == "__main__":
    main()
