"""Processes that are started together: they end together, and hear the same signals."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from handpose.distributed import processes
from handpose.distributed.processes import Launched, launched, start

TOLD = dict(RANK="1", LOCAL_RANK="1", WORLD_SIZE="2", MASTER_ADDR="h", MASTER_PORT="1")
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        (TOLD, Launched("torchrun", 2)),
        ({"RANK": "1", "WORLD_SIZE": "2"}, None),
        ({"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4"}, Launched("srun", 4)),
        ({"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"}, None),
        # a batch script has a number of tasks, but is none of them
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, None),
        (TOLD | {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "4"}, Launched("torchrun", 2)),
    ],
)
def test_who_started_a_process(environment: dict, expected: Launched | None) -> None:
    assert launched(environment) == expected


def python(code: str) -> list[str]:
    return [sys.executable, "-c", f"import os, pathlib, signal, sys, time\n{code}"]


def test_each_process_knows_its_place(tmp_path: Path) -> None:
    names = ", ".join(f"os.environ['{name}']" for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"))
    write = f"pathlib.Path(r'{tmp_path}', os.environ['RANK']).write_text(' '.join([{names}]))"
    assert start(python(write), 3) == 0
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == ["0 0 3", "1 1 3", "2 2 3"]


def test_they_alone_know_that_they_are_of_a_sweep() -> None:
    """The next run of this process may be none of a sweep."""
    told = python(f"sys.exit('{processes.IN_SWEEP}' in os.environ)")
    assert [start(told, 1, in_sweep=True), start(told, 1)] == [1, 0]
    assert processes.IN_SWEEP not in os.environ


def test_if_one_fails_the_others_do_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_GRACE", 0.5)
    begin = time.monotonic()
    assert start(python("time.sleep(0 if os.environ['RANK'] == '1' else 300); sys.exit(3)"), 2) == 3
    killed = "os.environ['RANK'] == '1' and os.kill(os.getpid(), 9); time.sleep(300)"
    assert start(python(killed), 2) == 128 + 9
    assert time.monotonic() - begin < 20


SLEEPERS = f"""
sys.path.insert(0, r"{ROOT}")
from handpose.distributed.processes import start
sleep = '''
import os, pathlib, signal, sys, time
def leave(*_):
    pathlib.Path(sys.argv[1], "heard" + os.environ["RANK"]).touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, leave)
pathlib.Path(sys.argv[1], "pid" + os.environ["RANK"]).write_text(str(os.getpid()))
time.sleep(300)
'''
sys.exit(start([sys.executable, "-c", sleep, sys.argv[1]], 2))
"""


@pytest.fixture
def watched(tmp_path: Path) -> tuple[subprocess.Popen, list[int]]:
    """A process that watches over two that sleep, and the numbers of these."""
    process = subprocess.Popen([*python(SLEEPERS), str(tmp_path)])
    files = [tmp_path / "pid0", tmp_path / "pid1"]
    deadline = time.monotonic() + 30
    while not all(file.exists() and file.read_text() for file in files):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process, [int(file.read_text()) for file in files]


def test_signals_go_on_to_all(watched: tuple, tmp_path: Path) -> None:
    process, _ = watched
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 143
    assert (tmp_path / "heard0").exists()
    assert (tmp_path / "heard1").exists()


def test_they_do_not_outlive_a_killed_parent(watched: tuple) -> None:
    process, children = watched
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{child}").exists() and _runs(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_our_own_environment_is_that_of_no_launcher() -> None:
    assert "RANK" not in os.environ
    assert launched() is None


def test_cores_where_the_system_cannot_tell_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS."""
    assert processes.num_cores() == len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, "sched_getaffinity")
    assert processes.num_cores() == os.cpu_count()
