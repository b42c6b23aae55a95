"""Slurm jobs that wait for an encoder in the queue, where they hold no GPU.

    FOLDER/stand_by/JOB   one each, empty, called what scontrol calls the job

The run that trains the encoder calls them when it is through, whichever way. They come back by
themselves if it never is: a job that is killed calls nobody.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from handpose.training.requeue import begin_job, own_job, requeue_job, restarts

_log = logging.getLogger(__name__)


class StandBy:
    """Those jobs, for one encoder.

    Args:
        folder: of the encoder.
        seconds: that a job stays away at the most, the first time; twice as long each time after.
    """

    def __init__(self, folder: Path, *, seconds: float) -> None:
        self._folder, self._seconds = folder / "stand_by", seconds

    def join(self, is_over: Callable[[], bool]) -> bool:
        """Puts this process's job back into the queue, which will end the process.

        Args:
            is_over: whether there is nothing to wait for by now.

        Returns:
            Whether it did; else there is no job, or Slurm will not have it.
        """
        job = own_job()
        if job is None:
            return False
        self._folder.mkdir(exist_ok=True)
        note, away = self._folder / job, self._seconds * 2 ** restarts()
        note.touch()
        if not requeue_job():
            note.unlink()
            return False
        begin_job(job, f"now+{max(1, round(away))}")
        if is_over():  # and whoever was at it has called before the job was there to be called
            begin_job(job, "now")
        _log.info("job %s waits in the queue, for %.0f minutes at the most", job, away / 60)
        return True

    def call(self) -> None:
        """Lets them begin at once."""
        for note in sorted(self._folder.glob("*")):
            note.unlink(missing_ok=True)
            begin_job(note.name, "now")
