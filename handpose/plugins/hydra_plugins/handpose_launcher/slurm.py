"""A sweep's cells as Slurm jobs: every job is waited for, whatever becomes of another."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from handpose.sweep.cells import FAILURE, Cell, cell, leave_failure

try:
    from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf
    from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher
except ImportError:  # Hydra imports every plugin; without the package there is no such launcher
    pass
else:
    _log = logging.getLogger(__name__)

    class CellFailedError(RuntimeError):
        """Ends a cell's job, so that Slurm too sees that it failed."""

    class WaitingSlurmLauncher(SlurmLauncher):
        """hydra-submitit-launcher's, but for what happens when a job fails.

        That one gives up on all jobs at the first that is killed, and Slurm sees a job that raised
        as COMPLETED. Here each is waited for, and one that is killed leaves a reason in its cell's
        folder. Cells that are finished already are not queued.
        """

        def __call__(self, *args: Any) -> JobReturn:
            """In the job: one cell."""
            done = super().__call__(*args)
            if done.return_value is not None:
                raise CellFailedError(done.return_value)
            return done

        def launch(
            self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
        ) -> list[JobReturn]:
            """In the process that was started: all cells."""
            loader = self.hydra_context.config_loader
            numbered = list(enumerate(map(list, job_overrides), start=initial_job_idx))
            cells = {n: cell(self.config, loader, lines, n) for n, lines in numbered}
            waiting = [(n, lines) for n, lines in numbered if not cells[n].is_finished()]
            _log.info("%d cells, %d of them to run", len(cells), len(waiting))
            jobs = self._submit(waiting) if waiting else []
            try:
                for job, (number, _) in zip(jobs, waiting, strict=True):
                    _wait(job, cells[number])
            except KeyboardInterrupt:
                ids = " ".join(dict.fromkeys(job.job_id.partition("_")[0] for job in jobs))
                _log.warning("the jobs go on without this command; `scancel %s` ends them", ids)
                raise
            return [_returned(lines) for _, lines in numbered]

        def _submit(self, numbered: Sequence[tuple[int, list[str]]]) -> list[Any]:
            """The jobs of these cells, as one array."""
            import submitit

            own = {"submitit_folder", "max_num_timeout"}
            executor = submitit.AutoExecutor(
                cluster="slurm",
                folder=self.params["submitit_folder"],
                slurm_max_num_timeout=self.params["max_num_timeout"],
            )
            common = set(OmegaConf.structured(BaseQueueConf).keys())
            executor.update_parameters(
                **{
                    key if key in common else f"slurm_{key}": value
                    for key, value in self.params.items()
                    if key not in own
                }
            )
            state = Singleton.get_state()
            calls = [
                (lines, "hydra.sweep.dir", n, f"job_id_for_{n}", state) for n, lines in numbered
            ]
            jobs = executor.map_array(self, *zip(*calls, strict=True))
            for job, (_, lines) in zip(jobs, numbered, strict=True):
                _log.info("job %s: %s", job.job_id, " ".join(lines))
            return jobs

    def _wait(job: Any, own: Cell) -> None:
        """Until the job is over; one that was killed has said nothing of why."""
        try:
            job.results()
        except Exception as error:
            if not (own.folder / FAILURE).exists() and not own.is_finished():
                log = Path(str(job.paths.stdout))
                why = f"job {job.job_id} ended as {job.state}, see {log}"
                leave_failure(own.folder, ValueError(f"{why}\n{error}"))
            _log.error("job %s (%s) failed: %s", job.job_id, own.folder, own.folder / FAILURE)

    def _returned(overrides: Sequence[str]) -> JobReturn:
        """What Hydra wants of a cell; how it went is in its folder (see `SweepTable`)."""
        return JobReturn(overrides=overrides, status=JobStatus.COMPLETED)
