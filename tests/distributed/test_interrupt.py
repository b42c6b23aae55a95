"""Signals are noted when they come, and end the run where it is safe; Slurm jobs go back."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from handpose.distributed.interrupt import Interrupted, interruptible
from handpose.distributed.requeue import MAX_REQUEUES, requeue_job
from handpose.progress import checking, track


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGUSR2, 143), (signal.SIGINT, 130)]
)
def test_a_signal_ends_the_run_at_the_next_safe_place(number: signal.Signals, code: int) -> None:
    before = signal.getsignal(number)
    with interruptible() as interrupt:
        interrupt.check()
        os.kill(os.getpid(), number)
        assert interrupt.noted == number  # and nothing else has happened
        with pytest.raises(Interrupted) as stopped:
            interrupt.check()
    assert stopped.value.code == code
    assert signal.getsignal(number) is before


def test_data_that_is_prepared_stops_between_two_items() -> None:
    """Its generator is closed, whose worker processes would go on otherwise."""
    done, is_closed = list[int](), False

    def hands() -> Iterator[int]:
        nonlocal is_closed
        try:
            yield from range(10)
        finally:
            is_closed = True

    def render() -> None:
        for number in track(hands(), what="rendering", total=10):
            done.append(number)
            if number == 3:
                os.kill(os.getpid(), signal.SIGTERM)

    with (
        interruptible() as interrupt,
        checking(interrupt.check_alone),
        pytest.raises(Interrupted) as stopped,
    ):
        render()
    assert (done, is_closed) == ([0, 1, 2, 3], True)
    assert stopped.value.code == 143
    assert [*track(range(3), what="rendering", total=3)] == [0, 1, 2]


def test_a_second_ctrl_c_ends_it_at_once(capfd: pytest.CaptureFixture) -> None:
    with interruptible():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert capfd.readouterr().err.count("Press it again to stop at once.") == 1


Slurm = Callable[..., Path]


def test_a_running_job_goes_back_into_the_queue(slurm: Slurm) -> None:
    calls = slurm("RUNNING")
    assert requeue_job()
    assert calls.read_text().splitlines() == ["-o show job 7", "requeue 7"]


def test_an_element_of_an_array_goes_back_alone(slurm: Slurm) -> None:
    calls = slurm("RUNNING", SLURM_ARRAY_JOB_ID="5", SLURM_ARRAY_TASK_ID="2")
    assert requeue_job()
    assert calls.read_text().splitlines()[-1] == "requeue 5_2"


@pytest.mark.parametrize(
    ("state", "environment"),
    [
        ("COMPLETING", {}),  # requeued or cancelled by Slurm itself
        ("CANCELLED", {}),
        ("RUNNING", {"SLURM_RESTART_COUNT": str(MAX_REQUEUES)}),
        ("RUNNING", {"SLURM_PROCID": "1"}),  # the first task does it
    ],
)
def test_no_other_job_does(slurm: Slurm, state: str, environment: dict[str, str]) -> None:
    calls = slurm(state, **environment)
    assert not requeue_job()
    assert "requeue" not in calls.read_text()


def _stopped_by(number: signal.Signals, clean_up: Callable[[], None] = lambda: None) -> int:
    """The exit code of a run."""
    try:
        with interruptible() as interrupt:
            os.kill(os.getpid(), number)
            try:
                interrupt.check()
            finally:
                clean_up()
    except Interrupted as stopped:
        return int(stopped.code or 0)
    return 0


def test_the_job_goes_back_when_all_else_is_closed(slurm: Slurm) -> None:
    """The next one may begin at once, and finds nothing in its way."""
    calls = slurm("RUNNING")
    seen = []
    assert _stopped_by(signal.SIGUSR2, lambda: seen.append(calls.read_text())) == 143
    assert seen == [""]
    assert calls.read_text().splitlines()[-1] == "requeue 7"


def test_of_several_processes_in_one_task_the_first_alone_asks(
    slurm: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slurm gives all of them the number of the task."""
    calls = slurm("RUNNING", SLURM_PROCID="0")
    monkeypatch.setattr("handpose.distributed.collectives.is_first", lambda: False)
    assert _stopped_by(signal.SIGTERM) == 143
    assert calls.read_text() == ""


@pytest.mark.parametrize("requeues", [True, False])
def test_a_job_goes_back_only_where_it_would_resume_the_run(
    slurm: Slurm, caplog: pytest.LogCaptureFixture, requeues: bool
) -> None:
    """The other says so at its start, and is to be resumed by hand."""
    calls = slurm("RUNNING")
    told = []
    try:
        with interruptible(requeues=requeues) as interrupt:
            told.append("without hydra.run.dir=DIR on the command line" in caplog.text)
            os.kill(os.getpid(), signal.SIGTERM)
            interrupt.check()
    except Interrupted as stopped:
        told.append(stopped.resumable)
    assert told == [not requeues, not requeues]
    assert ("requeue 7" in calls.read_text()) is requeues


def test_who_presses_ctrl_c_wants_no_other_job(slurm: Slurm) -> None:
    calls = slurm("RUNNING")
    assert _stopped_by(signal.SIGINT) == 130
    assert calls.read_text() == ""


def test_where_slurm_does_not_answer_the_run_stops_all_the_same(
    slurm: Slurm, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    slurm("RUNNING")
    monkeypatch.setenv("PATH", "")
    assert _stopped_by(signal.SIGTERM) == 143
    assert "scontrol" in caplog.text


def test_without_slurm_there_is_nothing_to_requeue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert not requeue_job()
