"""Failures of the machine are told in one message: what was done, what ran short, what to do."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from handpose.config.errors import (
    UserError,
    during,
    ends_with_message,
    told_alone,
    without_traceback,
)
from handpose.data.sources import synthetic as renders

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
    assert told(raising(OSError("f.pt is cut"))) == "pre-training: f.pt is cut"


def test_a_script_ends_with_the_same_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["scripts/evaluate.py"])
    with pytest.raises(SystemExit, match=r"^evaluate\.py: the GPU is out"), ends_with_message():
        raise RuntimeError("CUDA out of memory")


def test_a_rendering_process_that_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renders, "num_cores", lambda: 2)
    said = told(lambda: list(renders._all_hands(os._exit, 1000)))  # type: ignore[arg-type]
    assert "a helper process was killed" in said
    assert "taskset" in said


def test_any_other_error_stays_as_it_is() -> None:
    for other in (RuntimeError("a bug"), KeyError("key")):
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


def test_a_users_mistake_is_all_that_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    with pytest.raises(SystemExit) as ended, told_alone(), without_traceback():
        raise ValueError("labels.csv: wrong")
    assert ended.value.code == 1
    assert capsys.readouterr().err == "labels.csv: wrong\n"


SENDS = """
import resource, torch
from torch.utils.data import DataLoader
from handpose.config.errors import without_traceback
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


def test_shared_memory_of_a_megabyte_is_told() -> None:
    """A container's /dev/shm, in a mount namespace of its own."""
    code = SENDS.format(before="", action="return torch.zeros(1 << 20)")
    small = "mount -t tmpfs -o size=1m tmpfs /dev/shm"
    isolated = ["unshare", "--mount", "sh", "-c"]
    if shutil.which("unshare") is None or subprocess.call([*isolated, small]) != 0:
        pytest.skip("no right to mount a small /dev/shm")
    done = subprocess.run(
        [*isolated, f'{small}; exec "$0" -c "$1"', sys.executable, code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "docker run --shm-size=8g), or set trainer.num_workers=0" in done.stderr.splitlines()[-1]
