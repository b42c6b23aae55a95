"""A shared encoder is made once, whatever becomes of the run that makes it."""

import errno
import fcntl
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from encoder_maker import need
from omegaconf import OmegaConf

from handpose.distributed.interrupt import Interrupt, Interrupted
from handpose.distributed.processes import IN_SWEEP
from handpose.pipeline.stages.shared_encoder import SharedEncoder, SharedFailedError, is_shared
from handpose.weights import torch_file

MAKING = 2.5  # seconds
STUCK = 60  # seconds after which a process counts as stuck
# All that a run needs is imported here: a process starts within milliseconds.
PROCESSES = multiprocessing.get_context("fork")


class Runs:
    """Processes that need one encoder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.started: dict[str, BaseProcess] = {}

    def start(self, name: str) -> BaseProcess:
        (self.root / name).mkdir(exist_ok=True)
        self.started[name] = PROCESSES.Process(
            target=need,
            args=(self.root / "encoder", self.root / name),
            kwargs={"seconds": MAKING},
        )
        self.started[name].start()
        return self.started[name]

    def start_maker(self) -> BaseProcess:
        """One that has done some of the work."""
        maker = self.start("maker")
        self.until((self.root / "encoder" / "checkpoints" / "pretrain" / "last.ckpt").exists)
        return maker

    def ended(self, *names: str) -> bool:
        """Whether these end by themselves, without an error."""
        for name in names:
            self.started[name].join(timeout=STUCK)
        return all(self.started[name].exitcode == 0 for name in names)

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + STUCK
        while not holds():
            assert time.monotonic() < end, "stuck"
            time.sleep(0.05)

    def has(self, name: str, file: str) -> bool:
        return (self.root / name / file).exists()


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    found = Runs(tmp_path)
    yield found
    for process in found.started.values():
        process.kill()
        process.join()


def requeue(runs: Runs, maker: BaseProcess) -> None:
    """Ended as a preempted job is, and started again in its directory."""
    maker.terminate()
    maker.join()
    runs.start("maker")


def kill(runs: Runs, maker: BaseProcess) -> None:
    maker.kill()
    maker.join()


@pytest.mark.slow
@pytest.mark.serial
@pytest.mark.parametrize("disturb", [requeue, kill])
def test_one_encoder_and_nobody_stuck(
    runs: Runs, disturb: Callable[[Runs, BaseProcess], None]
) -> None:
    maker = runs.start_maker()
    runs.start("one"), runs.start("two")
    time.sleep(MAKING / 3)  # they wait, and some of the work is done
    disturb(runs, maker)
    names = ["one", "two"] if disturb is kill else ["one", "two", "maker"]
    assert runs.ended(*names)
    makers = [name for name in names if runs.has(name, "made")]
    assert len(makers) == 1
    assert {(runs.root / name / "took").read_text() for name in names} == set(makers)
    assert int((runs.root / makers[0] / "began_at").read_text()) > 0  # not from the beginning
    assert not runs.has("encoder", "checkpoints")
    assert not list((runs.root / "encoder").glob(".*partial"))


@pytest.mark.slow
@pytest.mark.serial
def test_a_maker_that_is_stopped_for_a_while_stays_the_maker(runs: Runs) -> None:
    maker = runs.start_maker()
    os.kill(maker.pid or 0, signal.SIGSTOP)
    runs.start("one")
    time.sleep(MAKING)
    assert not runs.has("one", "took")
    os.kill(maker.pid or 0, signal.SIGCONT)
    assert runs.ended("maker", "one")
    assert [name for name in ("maker", "one") if runs.has(name, "made")] == ["maker"]


@pytest.fixture
def shared(tmp_path: Path) -> SharedEncoder:
    return SharedEncoder(tmp_path / "encoder", spec={"seed": 5})


def attempt(shared: SharedEncoder, run_dir: Path, error: Exception | None = None) -> bool:
    """Whether a run makes the encoder, or begins to and meets an error."""
    another = SharedEncoder(shared.folder, spec={"seed": 5})
    with another.claimed(run_dir, Interrupt()) as is_maker:
        if is_maker and error is not None:
            raise error
        if is_maker:
            another.publish({"of": run_dir.name, "weights": torch.ones(1000)})
    return is_maker


def test_what_would_fail_again_is_reported_until_it_is_cleared(
    shared: SharedEncoder, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="diverged"):
        attempt(shared, tmp_path / "one", ValueError("pre-training diverged"))
    for _ in range(2):
        with pytest.raises(SharedFailedError, match="pre-training diverged") as refusal:
            attempt(shared, tmp_path / "two")
        assert f"delete {shared.folder / 'failed.txt'}" in str(refusal.value)
        assert str(tmp_path / "one") in str(refusal.value)
    (shared.folder / "failed.txt").unlink()
    assert attempt(shared, tmp_path / "two")
    assert shared.makers() == [str(tmp_path / "one"), str(tmp_path / "two")]


@pytest.mark.parametrize(
    "error", [OSError("disk full"), RuntimeError("CUDA out of memory"), MemoryError()]
)
def test_what_may_pass_is_left_for_the_next_to_try(
    shared: SharedEncoder, tmp_path: Path, error: Exception
) -> None:
    with pytest.raises(type(error)):
        attempt(shared, tmp_path / "one", error)
    assert attempt(shared, tmp_path / "two")
    assert not attempt(shared, tmp_path / "three")


def test_an_error_of_a_run_that_takes_the_encoder_is_no_failure_of_it(
    shared: SharedEncoder, tmp_path: Path
) -> None:
    attempt(shared, tmp_path / "one")
    with pytest.raises(ValueError, match="its own"), shared.claimed(tmp_path, Interrupt()):
        raise ValueError("its own")
    assert not attempt(shared, tmp_path / "three")


def test_a_run_that_is_told_to_stop_waits_no_longer(runs: Runs) -> None:
    runs.start_maker()
    interrupt = Interrupt()
    threading.Timer(0.3, setattr, (interrupt, "noted", signal.SIGTERM)).start()
    waiting = SharedEncoder(runs.root / "encoder", spec={})
    with pytest.raises(Interrupted), waiting.claimed(runs.root / "other", interrupt):
        pass
    assert waiting.makers() == [str(runs.root / "maker")]


def test_a_file_system_without_locks_is_reported(
    shared: SharedEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", missing)
    with (
        pytest.raises(ValueError, match="no file locks"),
        shared.claimed(tmp_path, Interrupt()),
    ):
        pass


def test_a_corrupt_encoder_is_made_again(shared: SharedEncoder, tmp_path: Path) -> None:
    assert attempt(shared, tmp_path / "one")
    content = bytearray(shared.path.read_bytes())
    content[len(content) // 2] ^= 1
    shared.path.write_bytes(content)
    assert attempt(shared, tmp_path / "two")
    assert torch_file.load(shared.path)["of"] == "two"


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_published_encoder_is_read_where_nothing_can_be_written(
    shared: SharedEncoder, tmp_path: Path
) -> None:
    attempt(shared, tmp_path / "one")
    shared.folder.chmod(0o500)
    try:
        assert not attempt(shared, tmp_path / "two")
    finally:
        shared.folder.chmod(0o700)


@pytest.mark.parametrize(
    ("share", "in_sweep", "has_begun", "expected"),
    [
        (None, False, False, False),
        (None, True, False, True),
        (True, False, False, True),
        (False, True, False, False),
        (None, True, True, False),  # a run that pre-trains by itself goes on so
    ],
)
def test_cells_of_a_sweep_share_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    share: bool | None,
    in_sweep: bool,
    has_begun: bool,
    expected: bool,
) -> None:
    """In the processes that a cell starts itself too, which Hydra takes for runs by themselves."""
    if in_sweep:
        monkeypatch.setenv(IN_SWEEP, "1")
    if has_begun:
        (tmp_path / "checkpoints" / "pretrain").mkdir(parents=True)
    cfg = OmegaConf.create({"pretrain": {"share": share}})
    context: Any = SimpleNamespace(cfg=cfg, run_dir=tmp_path)
    assert is_shared(context) == expected
