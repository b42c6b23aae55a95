"""Slurm: a job that must leave before it is finished puts itself back into the queue."""

import logging
import os
import subprocess

_log = logging.getLogger(__name__)

MOST = 20  # times; a job that never gets far enough to save would be requeued for ever


def requeue_job() -> bool:
    """Requeues this process's own Slurm job; False where there is none to requeue.

    Only while Slurm calls it RUNNING, which is so when its time is nearly over or in the grace of a
    preemption: it would end if it just left. In any other state Slurm has decided already, for a
    requeue or a cancellation, which must not be undone.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None or os.environ.get("SLURM_PROCID", "0") != "0" or _state(job) != "RUNNING":
        return False
    if (restarts := int(os.environ.get("SLURM_RESTART_COUNT", "0"))) >= MOST:
        _log.error("requeued %d times already; start the same command again to go on", restarts)
        return False
    # In a session of its own: the SIGTERM that comes of it must not end it half-way.
    done = subprocess.run(
        ["scontrol", "requeue", _name(job)],
        start_new_session=True,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        _log.error("scontrol requeue %s: %s", _name(job), done.stderr.strip())
    return done.returncode == 0


def _name(job: str) -> str:
    """An element of an array by its place in it, as scontrol wants it."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else job


def _state(job: str) -> str:
    done = subprocess.run(
        ["scontrol", "-o", "show", "job", job],
        start_new_session=True,
        capture_output=True,
        text=True,
        check=False,
    )
    words = (word.partition("=") for word in done.stdout.split())
    return next((value for key, _, value in words if key == "JobState"), "")
