"""Slurm jobs that wait for an encoder in the queue, where they hold no GPU.

    FOLDER/stand_by/JOB   how often the job came back uncalled; named as scontrol names it

The run that trains the encoder calls them when it ends, in whatever way. They come back by
themselves if it never is: a job that is killed calls nobody.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from handpose.distributed.requeue import begin_job, own_job, requeue_job

_log = logging.getLogger(__name__)

_MOST = 5  # times that the wait is doubled


class StandBy:
    """Those jobs, for one encoder.

    Args:
        folder: of the encoder.
        seconds: that a job stays away at the most, the first time; then twice, up to 32 times, as
            long, each time that it comes back uncalled.
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
        note = self._folder / job
        before = int(note.read_text() or 0) if note.exists() else 0
        away = self._seconds * 2 ** min(before, _MOST)
        note.write_text(str(before + 1))
        if not requeue_job():
            note.unlink()
            return False
        begin_job(job, f"now+{max(1, round(away))}")
        if is_over() or not note.exists():  # called before there was a job in the queue to call
            begin_job(job, "now")
        _log.info("job %s waits in the queue, for %.0f minutes at the most", job, away / 60)
        return True

    def call(self, is_over: Callable[[], bool]) -> None:
        """Lets the first of them begin at once, or all, where there is nothing left to do."""
        notes = sorted(self._folder.glob("*"))
        for note in notes if len(notes) < 2 or is_over() else notes[:1]:
            note.unlink(missing_ok=True)
            begin_job(note.name, "now")
