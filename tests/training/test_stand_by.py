"""A Slurm job that waits for an encoder does so in the queue, and is called when it is there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from handpose.training.requeue import MOST
from handpose.training.stand_by import StandBy

Slurm = Callable[..., Path]
ELEMENT = {"SLURM_ARRAY_JOB_ID": "5", "SLURM_ARRAY_TASK_ID": "2"}


def said(calls: Path) -> list[str]:
    """What scontrol was told, but for questions."""
    return [line for line in calls.read_text().splitlines() if "show" not in line]


def notes(folder: Path) -> list[str]:
    return [path.name for path in (folder / "stand_by").glob("*")]


@pytest.mark.parametrize(("restarts", "away"), [(0, 600), (1, 1200), (5, 19200)])
def test_a_job_stays_away_longer_each_time(
    tmp_path: Path, slurm: Slurm, restarts: int, away: int
) -> None:
    calls = slurm("RUNNING", SLURM_RESTART_COUNT=str(restarts), **ELEMENT)
    assert StandBy(tmp_path, seconds=600).join(lambda: False)
    assert said(calls) == ["requeue 5_2", f"update JobId=5_2 StartTime=now+{away}"]
    assert notes(tmp_path) == ["5_2"]


def test_those_who_wait_are_called_once(tmp_path: Path, slurm: Slurm) -> None:
    calls = slurm("RUNNING", **ELEMENT)
    StandBy(tmp_path, seconds=600).join(lambda: False)
    calls.write_text("")
    for _ in range(2):
        StandBy(tmp_path, seconds=600).call()
    assert said(calls) == ["update JobId=5_2 StartTime=now"]


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
