"""Requeue this Slurm job when it must stop before it is finished."""

import logging
import os
import subprocess

_log = logging.getLogger(__name__)

_TIMEOUT = 60  # seconds for Slurm to answer
MAX_REQUEUES = 100  # stops a job that never reaches a checkpoint


def requeue_job() -> bool:
    """Requeue this process's Slurm job; return whether it was requeued.

    Only a RUNNING job is requeued, near its time limit or during a preemption's grace period. In
    any other state, Slurm has already requeued or cancelled it.
    """
    name = own_job()
    if name is None or _state(os.environ["SLURM_JOB_ID"]) != "RUNNING":
        return False
    restarts = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
    if restarts >= MAX_REQUEUES:
        _log.error("job %s is not requeued: it was requeued %d times already", name, restarts)
        return False
    if error := _scontrol("requeue", name)[1]:
        _log.error("scontrol requeue %s: %s", name, error)
        return False
    _log.warning("job %s is back in the queue, and resumes when Slurm starts it again", name)
    return True


def own_job() -> str | None:
    """Return the job's name for scontrol; None outside Slurm and in all tasks but the first."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None or os.environ.get("SLURM_PROCID", "0") != "0":
        return None
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else job


def _state(job: str) -> str:
    answer, error = _scontrol("-o", "show", "job", job)
    if error:
        _log.error("job %s is not requeued: scontrol cannot show its state: %s", job, error)
    words = (word.partition("=") for word in answer.split())
    return next((value for key, _, value in words if key == "JobState"), "")


def _scontrol(*arguments: str) -> tuple[str, str]:
    """Execute scontrol; return its output and its error, "" without one.

    A new session protects it from a SIGTERM to this process's group.
    """
    try:
        done = subprocess.run(
            ["scontrol", *arguments],
            start_new_session=True,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:  # not installed in a container
        return "", str(error)
    return done.stdout, (done.stderr.strip() or "failed") if done.returncode else ""
