"""Failures of the machine are told in one message: what was done, what ran short, what to do."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from handpose.check.machine import during
from handpose.check.refusal import UserError, without_traceback

ROOT = Path(__file__).resolve().parents[2]


def told(action: Callable[[], object]) -> str:
    with pytest.raises(UserError) as error, without_traceback(), during("pre-training", "a.key"):
        action()
    return str(error.value)


def raising(error: BaseException) -> Callable[[], object]:
    def action() -> None:
        raise error

    return action


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        (
            "Caught RuntimeError in DataLoader worker process 0.\nOriginal Traceback (most recent "
            "call last):\n  File x\nRuntimeError: unable to allocate shared memory(shm) for file "
            "</torch_1>: Resource temporarily unavailable (11)",
            ("--shm-size", "trainer.num_workers=0"),
        ),
        ("DataLoader worker (pid 1) is killed by signal: Bus error. ", ("--shm-size",)),
        ("received 0 items of ancdata", ("ulimit -n",)),
        ("DataLoader worker (pid 7) is killed by signal: Killed. ", ("was killed", "a.key")),
        ("CUDA out of memory. Tried to allocate 2.00 GiB", ("the GPU is out of memory", "a.key")),
    ],
)
def test_a_shortage_is_named_with_what_to_lower(text: str, advice: tuple[str, ...]) -> None:
    said = told(raising(RuntimeError(text)))
    assert said.startswith("pre-training: ")
    assert "Traceback" not in said
    for words in advice:
        assert words in said


def test_memory_that_cannot_be_allocated() -> None:
    for allocate in (lambda: torch.empty(1 << 60), lambda: np.zeros(1 << 58)):
        assert "pre-training: out of memory" in (said := told(allocate))
        assert "lower a.key" in said


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "file"
    assert f"No such file or directory: '{missing}'. It was deleted" in told(missing.read_text)
    assert "Choose a shorter path" in told((tmp_path / ("x" * 300)).mkdir)


def test_any_other_error_stays_as_it_is() -> None:
    for other in (RuntimeError("a bug"), KeyError("key"), OSError("without a number")):
        with pytest.raises(type(other)) as error, without_traceback(), during("pre-training"):
            raise other
        assert error.value is other


def test_the_cause_is_told_and_not_its_echo() -> None:
    """Lightning's teardown fails where the loader never began."""

    def start() -> None:
        try:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        finally:
            raise RuntimeError("Please call `iter(combined_loader)` first.")

    assert "too many files are open" in told(start)


SENDS = """
import resource, torch
from torch.utils.data import DataLoader
from handpose.check.refusal import without_traceback
from handpose.data.workers import begin_worker

class Dataset(torch.utils.data.Dataset):
    def __len__(self): return 8
    def __getitem__(self, index): {action}; return [torch.zeros(1)] * 30

loader = DataLoader(Dataset(), num_workers=2, worker_init_fn=begin_worker)
{before}
with without_traceback():
    list(loader)
"""


@pytest.mark.parametrize(
    ("before", "action", "reason"),
    [
        ("resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))", "pass", "too many files are open"),
        ("", "import os; os.kill(os.getpid(), 9)", "a data worker was killed"),
        ("", "import os; os.kill(os.getpid(), 7)", "--shm-size"),
    ],
    ids=["open files", "killed", "bus error"],
)
def test_a_worker_that_cannot_go_on_ends_the_run(before: str, action: str, reason: str) -> None:
    """It hung where a batch could not be sent."""
    done = subprocess.run(
        [sys.executable, "-c", SENDS.format(before=before, action=action)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert reason in done.stderr.splitlines()[-1]
