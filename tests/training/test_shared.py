"""A shared encoder is made once, whatever becomes of the run that makes it."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from encoder_maker import need

from handpose.distributed.interrupt import Interrupt, Interrupted
from handpose.training import checkpoint
from handpose.training.encoder_folder import SharedFailedError
from handpose.training.loggers import PRETRAINING, add_curves, curves_of
from handpose.training.shared import (
    LeaseLostError,
    LeaseWatch,
    SharedEncoder,
)
from handpose.training.take_over import go_on_from

LEASE = 1.5  # seconds
MAKING = 2.5  # seconds: longer than the lease, so that only its renewal keeps it
STUCK = 60  # seconds after which a process counts as stuck
# All that a run needs is imported here: a process starts within milliseconds.
PROCESSES = multiprocessing.get_context("fork")


class Runs:
    """Processes that need one encoder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.started: dict[str, BaseProcess] = {}

    def start(self, name: str, machine: str = "here") -> BaseProcess:
        (self.root / name).mkdir(exist_ok=True)
        self.started[name] = PROCESSES.Process(
            target=need,
            args=(self.root / "encoder", self.root / name),
            kwargs={"seconds": MAKING, "lease": LEASE, "machine": machine},
        )
        self.started[name].start()
        return self.started[name]

    def ended(self, *names: str) -> bool:
        """Whether these end by themselves, and well."""
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


def requeue(runs: Runs, holder: BaseProcess) -> None:
    """Ended as a preempted job is, and started again in its directory."""
    holder.terminate()
    holder.join()
    runs.start("holder")


def kill(runs: Runs, holder: BaseProcess) -> None:
    holder.kill()
    holder.join()


def freeze(runs: Runs, holder: BaseProcess) -> None:
    """Stopped until the others are through, and then let go on."""
    os.kill(holder.pid, signal.SIGSTOP)
    runs.until(lambda: all(runs.has(name, "took") for name in ("one", "two")))
    os.kill(holder.pid, signal.SIGCONT)


@pytest.mark.slow
@pytest.mark.serial
@pytest.mark.parametrize("disturb", [requeue, kill, freeze])
@pytest.mark.parametrize("machine", ["here", "elsewhere"])
def test_one_encoder_and_nobody_stuck(
    runs: Runs, disturb: Callable[[Runs, BaseProcess], None], machine: str
) -> None:
    """A process of another machine cannot be looked up: there the lease alone tells."""
    holder = runs.start("holder", machine)
    runs.until(lambda: runs.has("holder", "checkpoints/last.ckpt"))
    runs.start("one"), runs.start("two")
    time.sleep(MAKING / 3)  # they wait, and some of the work is done
    disturb(runs, holder)
    names = ["one", "two"] if disturb is kill else ["one", "two", "holder"]
    assert runs.ended(*names)
    makers = [name for name in names if runs.has(name, "made")]
    assert len(makers) == 1
    assert {(runs.root / name / "took").read_text() for name in names} == set(makers)
    assert int((runs.root / makers[0] / "began_at").read_text()) > 0  # not from the beginning
    if disturb is freeze:
        assert runs.has("holder", "gave_way")
    assert not list((runs.root / "encoder").glob(".*partial"))


@pytest.mark.slow
@pytest.mark.serial
def test_work_that_outlasts_the_lease_is_not_taken_for_dead(runs: Runs) -> None:
    names = ("one", "two", "three")
    for name in names:
        runs.start(name)
    assert runs.ended(*names)
    assert sum(runs.has(name, "made") for name in names) == 1
    assert not any(runs.has(name, "gave_way") for name in names)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[SharedEncoder]:
    encoder = SharedEncoder(tmp_path / "encoder", spec={"seed": 5}, lease_seconds=30)
    yield encoder
    encoder.release()


def another(shared: SharedEncoder) -> SharedEncoder:
    """The same encoder as another run sees it."""
    return SharedEncoder(shared.folder, spec={"seed": 5}, lease_seconds=30)


def test_what_would_fail_again_is_reported_until_it_is_cleared(
    shared: SharedEncoder, tmp_path: Path
) -> None:
    assert shared.take_turn(tmp_path / "one", Interrupt()) == []
    shared.fail(ValueError("pre-training diverged"))
    shared.release()
    for _ in range(2):
        with pytest.raises(SharedFailedError, match="pre-training diverged") as refusal:
            another(shared).take_turn(tmp_path / "two", Interrupt())
        assert f"delete {shared.folder / 'failed.txt'}" in str(refusal.value)
        assert str(tmp_path / "one") in str(refusal.value)
    (shared.folder / "failed.txt").unlink()
    assert shared.take_turn(tmp_path / "two", Interrupt()) == [tmp_path / "one"]


@pytest.mark.parametrize("error", [OSError("disk full"), RuntimeError("CUDA out of memory")])
def test_what_may_pass_is_left_for_the_next_to_try(
    shared: SharedEncoder, tmp_path: Path, error: Exception
) -> None:
    shared.take_turn(tmp_path / "one", Interrupt())
    shared.fail(error)
    shared.release()
    assert another(shared).take_turn(tmp_path / "two", Interrupt()) == [tmp_path / "one"]


def test_a_run_that_is_told_to_stop_waits_no_longer(runs: Runs) -> None:
    runs.start("holder")
    runs.until(lambda: runs.has("holder", "checkpoints/last.ckpt"))
    interrupt = Interrupt()
    told = threading.Timer(0.3, setattr, (interrupt, "noted", signal.SIGTERM))
    told.start()
    waiting = SharedEncoder(runs.root / "encoder", spec={}, lease_seconds=LEASE)
    with pytest.raises(Interrupted):
        waiting.take_turn(runs.root / "other", interrupt)
    assert waiting.makers() == [runs.root / "holder"]


def test_a_slurm_job_waits_in_the_queue_until_it_is_called(
    runs: Runs, slurm: Callable[..., Path]
) -> None:
    calls = slurm("RUNNING")
    runs.start("holder")
    runs.until(lambda: runs.has("holder", "checkpoints/last.ckpt"))
    waiting = SharedEncoder(runs.root / "encoder", spec={}, lease_seconds=LEASE, patience=0.1)
    with pytest.raises(Interrupted):
        waiting.take_turn(runs.root / "other", Interrupt())
    assert not runs.has("holder", "made")
    assert runs.ended("holder")
    told = [line for line in calls.read_text().splitlines() if "show" not in line]
    here = "update JobId=7 StartTime="
    assert told == ["requeue 7", f"{here}now+1", f"{here}now"]


def test_a_damaged_encoder_is_made_again(shared: SharedEncoder, tmp_path: Path) -> None:
    shared.take_turn(tmp_path, Interrupt())
    shared.publish({"weights": torch.ones(1000)}, tmp_path / "metrics.csv")
    shared.release()
    assert another(shared).take_turn(tmp_path, Interrupt()) is None
    content = bytearray(shared.path.read_bytes())
    content[len(content) // 2] ^= 1
    shared.path.write_bytes(content)
    assert another(shared).take_turn(tmp_path, Interrupt()) == [tmp_path]
    assert not shared.path.exists()


def test_the_first_to_publish_wins(shared: SharedEncoder, tmp_path: Path) -> None:
    shared.publish({"maker": 1}, tmp_path / "metrics.csv")
    another(shared).publish({"maker": 2}, tmp_path / "metrics.csv")
    assert checkpoint.load(shared.path) == {"maker": 1}
    assert shared.path.stat().st_nlink == 1  # nothing is left beside it


def test_a_holder_gives_way_only_when_it_lost_the_lease_and_is_alone() -> None:
    def after_a_batch(*, is_lost: bool, world_size: int) -> None:
        callback = LeaseWatch(SimpleNamespace(is_lost=is_lost, folder="here"))  # type: ignore[arg-type]
        callback.on_train_batch_end(SimpleNamespace(world_size=world_size))  # type: ignore[arg-type]

    after_a_batch(is_lost=False, world_size=1)
    after_a_batch(is_lost=True, world_size=2)
    with pytest.raises(LeaseLostError):
        after_a_batch(is_lost=True, world_size=1)


def test_work_goes_on_from_the_newest_whole_checkpoint(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("own", "older", "newest", "damaged")]
    for age, folder in enumerate(folders):
        checkpoint.save({"of": folder.name}, folder / "last.ckpt")
        os.utime(folder / "last.ckpt", (age, age))
    (folders[-1] / "last.ckpt").write_bytes(b"torn")
    go_on_from(folders[1:], folders[0])
    assert checkpoint.load(folders[0] / "last.ckpt") == {"of": "newest"}
    go_on_from([tmp_path / "gone", folders[1]], folders[0])
    assert checkpoint.load(folders[0] / "last.ckpt") == {"of": "newest"}


def test_curves_are_added_once(tmp_path: Path) -> None:
    head = "epoch,step,name,value\n"
    mine, theirs = tmp_path / "mine.csv", tmp_path / "theirs.csv"
    mine.write_text(f"{head}0,3,pretrain/val_loss,2.5\n0,9,finetune/val_loss,1\n")
    theirs.write_text(f"{head}0,3,pretrain/val_loss,2.5\n1,6,pretrain/val_loss,2.0\n")
    for _ in range(2):
        add_curves(curves_of(theirs, PRETRAINING), mine)
        add_curves(curves_of(mine, PRETRAINING), theirs)
    assert mine.read_text().split()[1:] == [
        "0,3,pretrain/val_loss,2.5",
        "0,9,finetune/val_loss,1",
        "1,6,pretrain/val_loss,2.0",
    ]
    assert theirs.read_text().count("\n") == 3
