"""Slurm: a job that must leave before it is finished puts itself back into the queue."""

import logging
import os
import subprocess

_log = logging.getLogger(__name__)

_TIMEOUT = 60  # seconds for Slurm to answer
MAX_REQUEUES = 100  # else a job that never gets far enough to save is requeued forever


def requeue_job() -> bool:
    """Requeues this process's own Slurm job; False where there is none to requeue.

    Only while Slurm calls it RUNNING, which is so when its time is nearly over or in the grace of a
    preemption: it would end if it just left. In any other state Slurm has decided already, for a
    requeue or a cancellation, which must not be undone.
    """
    name = own_job()
    if name is None or _state(os.environ["SLURM_JOB_ID"]) != "RUNNING":
        return False
    restarts = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
    if restarts >= MAX_REQUEUES:
        _log.error("job %s was requeued %d times already, and is not again", name, restarts)
        return False
    if error := _scontrol("requeue", name)[1]:
        _log.error("scontrol requeue %s: %s", name, error)
        return False
    _log.warning("job %s is back in the queue, and resumes when Slurm starts it again", name)
    return True


def own_job() -> str | None:
    """What scontrol calls this process's job; None where another task of it speaks for it."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None or os.environ.get("SLURM_PROCID", "0") != "0":
        return None
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else job


def _state(job: str) -> str:
    answer, error = _scontrol("-o", "show", "job", job)
    if error:
        _log.error(
            "whether job %s is to be requeued is not known, for scontrol says: %s", job, error
        )
    words = (word.partition("=") for word in answer.split())
    return next((value for key, _, value in words if key == "JobState"), "")


def _scontrol(*arguments: str) -> tuple[str, str]:
    """Its answer, and its error, "" where there is none.

    In a session of its own: a SIGTERM to this process's group must not end it half-way.
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
