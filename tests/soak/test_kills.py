"""A run is killed until it is finished, however short the intervals; one that fails is not."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kills import RunFailedError, Soaked, kill_until_finished, run_undisturbed

STEPS = 6
# Goes on from its checkpoint, as train.py does, and leaves with these codes when it is told to.
RUN = f"""
import os, signal, sys, time
from pathlib import Path

run_dir, start_up, step = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
last = run_dir / "checkpoints" / "pretrain" / "last.ckpt"
last.parent.mkdir(parents=True, exist_ok=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
(run_dir.parent / f"heard-{{os.getpid()}}").touch()
time.sleep(start_up)
done = len(last.read_text()) if last.exists() else 0
for steps in range(done + 1, {STEPS} + 1):
    time.sleep(step)
    (run_dir / "partial").write_text("." * steps)
    (run_dir / "partial").replace(last)
(run_dir / "results.json").write_text("{{}}")
os._exit(0)  # while Python ends it listens no more
"""
Soak = Callable[..., Soaked]


@pytest.fixture
def soak(tmp_path: Path) -> Soak:
    """soak(script, every=..., start_up=0, step=0): what becomes of it."""

    def run(script: str, *, every: tuple[float, float], **seconds: float) -> Soaked:
        (tmp_path / "run.py").write_text(script)
        times = (str(seconds.get(name, 0.0)) for name in ("start_up", "step"))
        command = [sys.executable, str(tmp_path / "run.py"), str(tmp_path / "run"), *times]
        return kill_until_finished(
            command, tmp_path / "run", every=every, seed=1, log=tmp_path / "log"
        )

    return run


def test_it_is_killed_in_many_ways_and_gets_to_its_end(soak: Soak, tmp_path: Path) -> None:
    soaked = soak(RUN, every=(0.3, 0.5), step=0.25)
    assert (tmp_path / "run" / "results.json").exists()
    assert len(soaked.kills) >= STEPS // 2
    assert len({kill.kind for kill in soaked.kills}) > 1
    # On a busy machine Python may not be up yet, and not listen.
    heard = [kill for kill in soaked.kills if (tmp_path / f"heard-{kill.pid}").exists()]
    assert len(heard) >= 2
    assert all(kill.code in kill.kind.codes for kill in heard if kill.progress)
    assert (soaked.largest, soaked.most_files) == (STEPS, 1)


def test_intervals_that_are_shorter_than_a_start_up_grow(soak: Soak) -> None:
    soaked = soak(RUN, every=(0.01, 0.02), start_up=0.5)
    assert len([kill for kill in soaked.kills if not kill.progress]) >= 8
    assert soaked.stretch >= 1.5**8  # which makes of 0.02 s what is longer than 0.5


def test_a_run_that_fails_is_not_started_again(soak: Soak, tmp_path: Path) -> None:
    with pytest.raises(RunFailedError, match=r"(?s)by itself with 1.*no such data"):
        soak("raise SystemExit('no such data')", every=(600, 600))
    with pytest.raises(RunFailedError, match="ended with 3"):
        run_undisturbed([sys.executable, "-c", "exit(3)"], log=tmp_path / "log")
