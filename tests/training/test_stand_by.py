"""A Slurm job that waits for an encoder does so in the queue, and is called when it is there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from handpose.distributed.requeue import MOST
from handpose.training.stand_by import StandBy

Slurm = Callable[..., Path]
ELEMENT = {"SLURM_ARRAY_JOB_ID": "5", "SLURM_ARRAY_TASK_ID": "2"}


def said(calls: Path) -> list[str]:
    """What scontrol was told, but for questions."""
    return [line for line in calls.read_text().splitlines() if "show" not in line]


def notes(folder: Path) -> list[str]:
    return [path.name for path in (folder / "stand_by").glob("*")]


def test_a_job_stays_away_longer_each_time_that_nobody_calls_it(
    tmp_path: Path, slurm: Slurm
) -> None:
    calls = slurm("RUNNING", SLURM_RESTART_COUNT="9", **ELEMENT)  # whatever the others were for
    for _ in range(8):
        assert StandBy(tmp_path, seconds=600).join(lambda: False)
    assert said(calls)[:2] == ["requeue 5_2", "update JobId=5_2 StartTime=now+600"]
    times = [int(line.rpartition("+")[2]) for line in said(calls)[1::2]]
    assert times == [600, 1200, 2400, 4800, 9600, 19200, 19200, 19200]
    assert notes(tmp_path) == ["5_2"]
    StandBy(tmp_path, seconds=600).call(lambda: True)
    StandBy(tmp_path, seconds=600).join(lambda: False)
    assert said(calls)[-1] == "update JobId=5_2 StartTime=now+600"


def test_those_who_wait_are_called_once(tmp_path: Path, slurm: Slurm) -> None:
    calls = slurm("RUNNING", **ELEMENT)
    StandBy(tmp_path, seconds=600).join(lambda: False)
    calls.write_text("")
    for _ in range(2):
        StandBy(tmp_path, seconds=600).call(lambda: True)
    assert said(calls) == ["update JobId=5_2 StartTime=now"]


def test_where_work_is_left_one_is_called(tmp_path: Path, slurm: Slurm) -> None:
    calls = slurm("RUNNING")
    (tmp_path / "stand_by").mkdir()
    for job in ("5_1", "5_2", "5_3"):
        (tmp_path / "stand_by" / job).touch()
    StandBy(tmp_path, seconds=600).call(lambda: False)
    assert said(calls) == ["update JobId=5_1 StartTime=now"]
    StandBy(tmp_path, seconds=600).call(lambda: True)
    assert said(calls)[1:] == [f"update JobId=5_{n} StartTime=now" for n in (2, 3)]


def test_a_call_that_came_before_the_job_was_in_the_queue_counts(
    tmp_path: Path, slurm: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one that left its work, so that the encoder is not there."""
    calls, waiting = slurm("RUNNING"), StandBy(tmp_path, seconds=600)

    def requeued_as_it_is_called() -> bool:
        waiting.call(lambda: False)
        return True

    monkeypatch.setattr("handpose.training.stand_by.requeue_job", requeued_as_it_is_called)
    assert waiting.join(lambda: False)
    assert said(calls)[-2:] == [f"update JobId=7 StartTime=now{late}" for late in ("+600", "")]


def test_a_job_that_left_as_the_encoder_came_begins_at_once(tmp_path: Path, slurm: Slurm) -> None:
    calls = slurm("RUNNING")
    assert StandBy(tmp_path, seconds=600).join(lambda: True)
    assert said(calls)[-1] == "update JobId=7 StartTime=now"


@pytest.mark.parametrize("environment", [{"SLURM_RESTART_COUNT": str(MOST)}, {"SLURM_PROCID": "1"}])
def test_a_job_that_cannot_leave_stays(
    tmp_path: Path, slurm: Slurm, environment: dict[str, str]
) -> None:
    calls = slurm("RUNNING", **environment)
    assert not StandBy(tmp_path, seconds=600).join(lambda: False)
    assert said(calls) == []
    assert notes(tmp_path) == []
