"""Runs as forks of a process that has done the imports."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from handpose.study.warm_start import ForkServer

ROOT = Path(__file__).resolve().parents[2]
# Stands for train.py: imported once, and `main` called in each run.
FAKE_TRAIN = """
import atexit, os, signal, sys, time
from handpose.provenance import revision
imported_by = os.getpid()

def main():
    what = sys.argv[1]
    atexit.register(print, "atexit")
    print(sys.argv[0], os.getpid() != imported_by, os.environ["THREADS"], sys.stdin.read() == "")
    print("to stderr", file=sys.stderr)
    print("revision known", revision.cache_info().currsize == 1)
    if what == "sleep":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        print("ready", flush=True)
        time.sleep(60)
    if what == "fail":
        raise ValueError("no such image")
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ForkServer]:
    (tmp_path / "fake_train.py").write_text(FAKE_TRAIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = ForkServer({"THREADS": "3"}, ["fake_train"])
    yield found
    found.close()


def wait_for(path: Path, text: str) -> None:
    deadline = time.monotonic() + 60
    while not (path.exists() and text in path.read_text()):
        assert time.monotonic() < deadline, f"no {text} in {path}"
        time.sleep(0.02)


def test_a_run_ends_as_an_interpreter_would(server: ForkServer, tmp_path: Path) -> None:
    runs = {name: server.start([name], tmp_path / name) for name in ("end", "fail")}
    assert {name: run.wait(30) for name, run in runs.items()} == {"end": 0, "fail": 1}
    for name in runs:
        text = (tmp_path / name).read_text()
        assert "train.py True 3 True" in text
        assert "to stderr" in text
        assert "revision known True" in text, "it is that of the imported code"
        assert "atexit" in text
    assert (tmp_path / "fail").read_text().count("ValueError: no such image") == 1
    again = server.start(["end"], tmp_path / "end")
    assert again.wait(30) == 0
    assert (tmp_path / "end").read_text().count("atexit") == 2  # appended


def test_runs_are_told_to_stop_and_killed(server: ForkServer, tmp_path: Path) -> None:
    runs = [server.start(["sleep"], tmp_path / f"out-{place}") for place in range(2)]
    for place, run in enumerate(runs):
        wait_for(tmp_path / f"out-{place}", "ready")
        assert run.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            run.wait(0.01)
    runs[0].terminate()
    runs[1].kill()
    assert [run.wait(30) for run in runs] == [143, -signal.SIGKILL]
    runs[0].terminate()  # no-op


@pytest.mark.skipif(sys.platform != "linux", reason="the system's request at the parent's death")
def test_a_killed_study_takes_its_runs_with_it(tmp_path: Path) -> None:
    (tmp_path / "fake_train.py").write_text(FAKE_TRAIN)
    study = (
        "import sys, time; from pathlib import Path\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from handpose.study.warm_start import ForkServer\n"
        "run = ForkServer({'THREADS': '3'}, ['fake_train'])"
        f".start(['sleep'], Path({str(tmp_path / 'out')!r}))\n"
        "print(run.pid, flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", study], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    wait_for(tmp_path / "out", "ready")
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
            break
        time.sleep(0.05)
    else:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_server_that_is_gone_is_an_error_that_says_what_to_do(
    server: ForkServer, tmp_path: Path
) -> None:
    run = server.start(["sleep"], tmp_path / "out")
    wait_for(tmp_path / "out", "ready")
    server._process.kill()
    server._process.wait()
    with pytest.raises(ValueError, match="Run the same command to resume"):
        run.wait(30)
    with pytest.raises(ValueError, match="Run the same command to resume"):
        server.start(["end"], tmp_path / "out")
