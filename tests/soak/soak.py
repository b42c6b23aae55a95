"""`python tests/soak/soak.py [--minutes 30] [--every 60 120] [--seed 0] [KEY=VALUE] ...`

Runs train.py with two stages twice: once undisturbed, and once killed at random times (kill -9,
SIGTERM, Ctrl-C) and started again with the same command until it is finished. Both must end with
the same bits: weights, optimizers, curves and results. A short run is timed first, so that the
killed one takes about --minutes; pretrain.max_epochs= and finetune.max_epochs= set its length
instead. Exits with 1 on any difference, and if a run that was told to stop has another exit code
than 143 or 130. Everything is written to runs/soak/<time>/.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kills import RunFailedError, Soaked, kill_until_finished, run_undisturbed

from handpose.config import check_command_line
from handpose.config.checks.overrides import path_argument
from handpose.config.schema import register

ROOT = Path(__file__).resolve().parents[2]
COUNTED_TRAIN = Path(__file__).with_name("counted_train.py")
# Two stages with everything that a resumed run must restore, small enough to be killed often.
SETTINGS = (
    *("trainer=cpu", "trainer.num_workers=2", "trainer.checkpoint_every_n_steps=5"),
    *("objective=relative", "head=regression", "backbone=resnet18", "report=false"),
    *("dataset=synthetic", "dataset.image_size=64", "dataset.num_train=300"),
)
_LENGTHS = "pretrain.max_epochs", "finetune.max_epochs"
_MIN_SHARE = 0.1  # of an interval that is left for the stages


class Timing(NamedTuple):
    """Seconds of an epoch of each stage, and of everything else in a start."""

    start_up: float
    pretrain: float
    finetune: float


def run_settings(own: Sequence[str]) -> list[str]:
    """Returns `SETTINGS` and the user's overrides, which replace those of the same key.

    Raises:
        ValueError: an override sets a directory.
    """
    for line in own:
        if line.lstrip("+").startswith("hydra"):
            raise ValueError(f"{line}: the soak sets the directories of its two runs; remove it")
    return list({line.partition("=")[0]: line for line in (*SETTINGS, *own)}.values())


def has_length(overrides: Sequence[str]) -> bool:
    """Returns whether the overrides set the number of epochs."""
    return any(line.startswith(_LENGTHS) for line in overrides)


def epochs(pretrain: int, finetune: int) -> list[str]:
    """Returns the overrides for so many epochs of each stage."""
    return [f"{key}={n}" for key, n in zip(_LENGTHS, (pretrain, finetune), strict=True)]


def plan_epochs(timing: Timing, *, minutes: float, every: tuple[float, float]) -> tuple[int, int]:
    """Returns the epochs of each stage with which the killed run takes about `minutes`.

    Each interval begins with a start-up; the rest is divided equally between the stages.

    Args:
        timing: of a run with one epoch of each stage.
        minutes: duration of the killed run.
        every: shortest and longest interval in seconds.
    """
    share = max(_MIN_SHARE, 1 - timing.start_up / (sum(every) / 2))
    half = 60 * minutes * share / 2
    return max(1, round(half / timing.pretrain)), max(1, round(half / timing.finetune))


class Soak:
    """Two runs in one folder.

    Args:
        folder: must not exist.
        overrides: of both runs.
    """

    def __init__(self, folder: Path, overrides: Sequence[str]) -> None:
        folder.mkdir(parents=True)
        self.folder, self.overrides = folder.resolve(), list(overrides)

    def command(self, name: str, *more: str) -> list[str]:
        """Returns the command of the run NAME, which logs its steps to NAME.steps."""
        python = [sys.executable, str(COUNTED_TRAIN), str(self.steps(name))]
        return [*python, *self.overrides, *more, f"hydra.run.dir={self.folder / name}"]

    def steps(self, name: str) -> Path:
        return self.folder / f"{name}.steps"

    def run(self, name: str, *more: str) -> float:
        """Runs it undisturbed; returns its seconds."""
        log = self.folder / f"{name}.log"
        return run_undisturbed(self.command(name, *more), log=log, cwd=ROOT)

    def timed(self) -> Timing:
        """Times a run of one epoch of each stage, after another one that makes the data."""
        self.run("warm-up", *epochs(1, 1))
        seconds = self.run("timing", *epochs(1, 1))
        results = json.loads((self.folder / "timing" / "results.json").read_text())
        stages = results["pretrain_seconds"], results["finetune_seconds"]
        return Timing(seconds - sum(stages), *stages)

    def killed(self, every: tuple[float, float], seed: int) -> Soaked:
        """Runs and kills it until it is finished."""
        return kill_until_finished(
            self.command("killed"),
            self.folder / "killed",
            every=every,
            seed=seed,
            log=self.folder / "killed.log",
            cwd=ROOT,
        )


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("overrides", nargs="*", metavar="KEY=VALUE", help="of both runs, one process each")
    add("--minutes", type=float, default=30.0, help="approximate duration of the killed run")
    add("--every", type=float, nargs=2, default=(60.0, 120.0), metavar=("FROM", "TO"),
        help="seconds from a start to its kill; longer after a start without progress")  # fmt: skip
    add("--seed", type=int, default=0, help="of the times and kinds of the kills")
    add("--out", type=path_argument, metavar="DIR", help="new folder (default: runs/soak/<time>)")
    return parser.parse_intermixed_args()


def main() -> None:
    """Checks, runs, compares; the exit code is the verdict."""
    options = parsed()
    register()
    try:
        overrides = run_settings(options.overrides)
        check_command_line(overrides)
        raise SystemExit(_soak(options, overrides))
    except (ValueError, RunFailedError, FileExistsError) as error:
        raise SystemExit(f"soak.py: {error}") from None


def _soak(options: argparse.Namespace, overrides: list[str]) -> int:
    """Returns the exit code."""
    folder = options.out or ROOT / "runs" / "soak" / time.strftime("%Y-%m-%d-%H-%M-%S")
    soak, every = Soak(folder, overrides), tuple(options.every)
    if not has_length(overrides):
        timing = soak.timed()
        length = epochs(*plan_epochs(timing, minutes=options.minutes, every=every))
        print(f"{' '.join(length)}, from {timing}", flush=True)
        soak.overrides += length
    print(f"undisturbed: {soak.run('whole'):.0f} s", flush=True)
    return _judge(soak, soak.killed(every, options.seed))


def _judge(soak: Soak, soaked: Soaked) -> int:
    """Compares, prints and writes the result; only this imports torch."""
    from run_differences import differences
    from verdict import Verdict, print_verdict, read_steps

    verdict = Verdict(
        soaked,
        whole=read_steps(soak.steps("whole")),
        killed=read_steps(soak.steps("killed")),
        differences=differences(soak.folder / "whole", soak.folder / "killed"),
    )
    print_verdict(verdict)
    content: dict[str, Any] = {"overrides": soak.overrides, **verdict.as_json()}
    (soak.folder / "soak.json").write_text(json.dumps(content, indent=1))
    print(soak.folder)
    return 0 if verdict.is_good else 1


if __name__ == "__main__":
    main()
