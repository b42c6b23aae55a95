"""Launch a sweep's cells as Slurm jobs and wait for every job."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from handpose.pipeline.run_directory import FAILURE
from handpose.pipeline.stages.encoder_key import encoder_makers
from handpose.sweep.cells import Cell, cell, leave_failure

try:
    from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf
    from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher
except ImportError:  # Hydra imports every plugin; the package is optional
    pass
else:
    _log = logging.getLogger(__name__)

    class CellFailedError(RuntimeError):
        """Fail a cell's job, so that Slurm reports it as failed."""

    class WaitingSlurmLauncher(SlurmLauncher):
        """Slurm launcher of hydra-submitit-launcher with other failure handling.

        The original abandons all jobs after the first killed one, and a failed job appears as
        COMPLETED in Slurm. This launcher waits for every job, and a killed job gets a failure.txt
        in its cell's folder. Finished cells are not queued.
        """

        def __call__(self, *args: Any) -> JobReturn:
            """Execute one cell, in its job."""
            done = super().__call__(*args)
            if isinstance(done.return_value, str):
                raise CellFailedError(done.return_value)
            return done

        def launch(
            self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
        ) -> list[JobReturn]:
            """Submit all cells and wait for them, in the driver.

            Args:
                job_overrides: overrides of each cell.
                initial_job_idx: number of the first cell.
            """
            loader = self.hydra_context.config_loader
            numbered = list(enumerate(map(list, job_overrides), start=initial_job_idx))
            cells = {n: cell(self.config, loader, lines, n) for n, lines in numbered}
            waiting = [(n, lines) for n, lines in numbered if not cells[n].is_finished()]
            _log.info("%d cells, %d of them to run", len(cells), len(waiting))
            jobs = self._submit_in_waves(waiting, cells)
            try:
                for number, job in jobs.items():
                    _wait(job, cells[number])
            except KeyboardInterrupt:
                arrays = (job.job_id.partition("_")[0] for job in jobs.values())
                ids = " ".join(dict.fromkeys(arrays))
                _log.warning("the jobs continue; to stop them, run `scancel %s`", ids)
                raise
            return [_returned(lines) for _, lines in numbered]

        def _submit_in_waves(
            self, numbered: Sequence[tuple[int, list[str]]], cells: Mapping[int, Cell]
        ) -> dict[int, Any]:
            """Submit cells that train an encoder, then those that reuse one; return jobs by number.

            A Slurm dependency keeps the order, even after this process ends or a job is requeued.
            """
            makers = encoder_makers({number: cells[number].config for number, _ in numbered})
            first = [(n, lines) for n, lines in numbered if n not in makers]
            second = [(n, lines) for n, lines in numbered if n in makers]
            jobs = self._submit(first)
            ids = [jobs[number].job_id for number in sorted(set(makers.values()))]
            return jobs | self._submit(second, after=ids)

        def _submit(
            self, numbered: Sequence[tuple[int, list[str]]], after: Sequence[str] = ()
        ) -> dict[int, Any]:
            """Submit cells as one job array that starts when the jobs `after` have ended."""
            if not numbered:
                return {}
            import submitit

            own, params = {"submitit_folder", "max_num_timeout"}, dict(self.params)
            if after:
                extra, wave = params["additional_parameters"], ":".join(("afterany", *after))
                dependency = ",".join(filter(None, (extra.get("dependency"), wave)))
                params["additional_parameters"] = {**extra, "dependency": dependency}
            executor = submitit.AutoExecutor(
                cluster="slurm",
                folder=self.params["submitit_folder"],
                slurm_max_num_timeout=self.params["max_num_timeout"],
            )
            common = set(OmegaConf.structured(BaseQueueConf).keys())
            executor.update_parameters(
                **{
                    key if key in common else f"slurm_{key}": value
                    for key, value in params.items()
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
            return {number: job for job, (number, _) in zip(jobs, numbered, strict=True)}

    def _wait(job: Any, own: Cell) -> None:
        """Wait for a job; record the reason if it was killed."""
        try:
            job.results()
        except Exception as error:
            if not (own.folder / FAILURE).exists() and not own.is_finished():
                log = Path(str(job.paths.stdout))
                why = f"job {job.job_id} ended as {job.state}, see {log}"
                leave_failure(own.folder, ValueError(f"{why}\n{error}"))
            _log.error("job %s (%s) failed: %s", job.job_id, own.folder, own.folder / FAILURE)

    def _returned(overrides: Sequence[str]) -> JobReturn:
        """Build Hydra's result of a cell; its status is in its folder (see `SweepTable`)."""
        return JobReturn(overrides=overrides, status=JobStatus.COMPLETED)
