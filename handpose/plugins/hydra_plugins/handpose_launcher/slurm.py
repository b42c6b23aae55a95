"""A sweep's cells as Slurm jobs: every job is waited for, whatever becomes of another."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from handpose.pipeline.stages.encoder_key import encoder_makers
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
            jobs = self._submit_in_waves(waiting, cells)
            try:
                for number, job in jobs.items():
                    _wait(job, cells[number])
            except KeyboardInterrupt:
                arrays = (job.job_id.partition("_")[0] for job in jobs.values())
                ids = " ".join(dict.fromkeys(arrays))
                _log.warning("the jobs go on without this command; `scancel %s` ends them", ids)
                raise
            return [_returned(lines) for _, lines in numbered]

        def _submit_in_waves(
            self, numbered: Sequence[tuple[int, list[str]]], cells: Mapping[int, Cell]
        ) -> dict[int, Any]:
            """The jobs of all cells, by number; those that need another's encoder begin after it.

            Slurm keeps the order: it survives the end of this process and a requeue of a job.
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
            """The jobs of these cells, as one array; it begins when the jobs `after` have ended."""
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
