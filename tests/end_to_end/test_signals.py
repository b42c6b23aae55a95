"""A run that is told to stop does so at the next safe place, wherever it is, and goes on later."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from network_guard import python_path

from handpose.config.errors import UserError
from handpose.distributed.interrupt import Interrupted
from handpose.training.checkpoint import LAST, newest_valid
from handpose.training.finetuner import Finetuner
from handpose.training.pretrainer import Pretrainer

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("trainer=debug", "dataset.image_size=32", "report=false")
LONG = ("pretrain.max_epochs=500", "trainer.caps.max_epochs=500")  # longer than anyone waits
STUCK = 300  # seconds
Train = Callable[..., Path]


@pytest.mark.parametrize(
    ("stage", "step"),
    [(Pretrainer, "validation_step"), (Finetuner, "predict_step")],
    ids=["before-training", "evaluating"],
)
def test_an_evaluation_ends_after_the_batch_and_is_done_again(
    train: Train, monkeypatch: pytest.MonkeyPatch, stage: Any, step: str
) -> None:
    """Of the trainer's own, SIGTERM would end it with exit code 0, as if all were done."""
    objective = "objective=none" if stage is Finetuner else "objective=relative"
    settings = (objective, "head=regression", "evaluate.batch_size=4")
    whole, steps = getattr(stage, step), []

    def tell(self: Any, batch: Any, batch_idx: int) -> Any:
        steps.append(batch_idx)
        os.kill(os.getpid(), signal.SIGTERM)
        return whole(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(stage, step, tell)
        with pytest.raises(Interrupted) as stopped:
            train(*settings)
    assert stopped.value.code == 143
    assert steps == [0]
    assert json.loads((train(*settings) / "results.json").read_text())["pa_epe_mm"] > 0


def _ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def _full_disk() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("stop", "error"),
    [(_ctrl_c, Interrupted), pytest.param(_full_disk, UserError, marks=pytest.mark.slow)],
)
def test_the_printed_command_finishes_the_run_in_its_directory(
    train: Train,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    stop: Callable[[], None],
    error: type[BaseException],
) -> None:
    """Through a shell. The same command again would begin in another one, as by default."""
    runs = tmp_path / "my runs, a=b"
    new_each_time = f"hydra.run.dir='{runs}/${{short_id:}}'"
    with monkeypatch.context() as patch:
        patch.setattr(Finetuner, "on_train_batch_start", lambda *_: stop())
        with pytest.raises(error):
            train("objective=none", "head=regression", new_each_time)
    (command,) = re.findall(r"^  (\S*python.*train\.py.*)$", capsys.readouterr().out, re.M)
    (run_dir,) = runs.iterdir()
    assert not (run_dir / "results.json").exists()
    subprocess.run(command, shell=True, check=True, capture_output=True, timeout=STUCK)
    assert list(runs.iterdir()) == [run_dir]
    assert (run_dir / "results.json").exists()


@pytest.fixture
def start(cache: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """start(*overrides): `python train.py` in a session of its own, killed in the end."""
    begun: list[subprocess.Popen] = []

    def run(*overrides: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "train.py", *SMALL, f"paths.cache={cache}", *overrides],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": python_path(ROOT)},
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        begun.append(process)
        return process

    yield run
    for process in begun:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def _until(exists: Path) -> None:
    end = time.monotonic() + STUCK
    while not exists.exists():
        assert time.monotonic() < end, f"no {exists}"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_to_every_process_stops_the_run_and_not_its_workers(
    start: Callable[..., subprocess.Popen], tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """Slurm tells all of a job, and Ctrl-C all of a terminal."""
    folder = tmp_path / "run" / "checkpoints" / "pretrain"
    workers = ("trainer.num_workers=2", "head=none", f"hydra.run.dir={tmp_path / 'run'}")
    process = start(*workers, *LONG)
    _until(folder / LAST)
    os.killpg(process.pid, number)
    text = process.communicate(timeout=STUCK)[0]
    assert process.returncode == code, text[-3000:]
    assert "stopped by" in text
    told = text.partition("stopped by")[2].partition("To resume, run")[0]
    assert "worker" not in told
    assert newest_valid(folder) == folder / LAST


@pytest.mark.slow
def test_after_kill_9_the_directory_is_free_at_once(
    start: Callable[..., subprocess.Popen], tmp_path: Path
) -> None:
    """Its workers live on for some seconds, and do not hold it."""
    run_dir = tmp_path / "run"
    settings = ("trainer.num_workers=2", "head=none", f"hydra.run.dir={run_dir}", *LONG)
    process = start(*settings)
    _until(run_dir / "checkpoints" / "pretrain" / LAST)
    process.kill()
    process.wait()
    before = (run_dir / "metrics.csv").stat().st_size
    again = start(*settings)
    end = time.monotonic() + STUCK
    while (run_dir / "metrics.csv").stat().st_size <= before:
        assert again.poll() is None, again.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.05)
