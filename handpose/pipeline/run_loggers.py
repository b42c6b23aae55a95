"""Open the loggers of a run, and give them its outcome."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pytorch_lightning.loggers.logger import Logger
from yaml import YAMLError

from handpose.config.stored import is_free
from handpose.data.base import HandDataset
from handpose.distributed import collectives
from handpose.distributed.processes import IN_SWEEP
from handpose.evaluation.evaluation import Evaluation, Results
from handpose.loggers.base import RunFile, run_loggers
from handpose.loggers.naming import SweepPlace
from handpose.loggers.opened import opened_loggers
from handpose.loggers.worst_samples import worst_samples
from handpose.pipeline.run_directory import MODEL
from handpose.pipeline.stages.pretrain import BACKBONE

REPORT = "report.html"
_DRIVER = "multirun.yaml"  # Hydra's file of a sweep


@contextmanager
def opened(
    cfg: DictConfig, config: dict[str, Any], run_dir: Path, provenance: dict[str, Any]
) -> Iterator[list[Logger]]:
    """Open the loggers of this process.

    Args:
        cfg: configuration of the run.
        config: the same, resolved, in plain values.
        run_dir: of the run.
        provenance: of this process, for W&B.
    """
    is_first = collectives.is_first()
    cell = sweep_cell(str(cfg.sweep), run_dir) if is_first else None
    with opened_loggers(
        run_dir, config, is_first=is_first, cell=cell, provenance=provenance
    ) as loggers:
        yield loggers


def sweep_cell(sweep: str, run_dir: Path) -> SweepPlace | None:
    """Return the place of this process's run in a sweep or study; None for a single run.

    Args:
        sweep: name of the sweep or study, a folder above the run directory.
        run_dir: of the run.
    """
    hydra = HydraConfig.get()
    if hydra.mode != RunMode.MULTIRUN and IN_SWEEP not in os.environ:
        return None
    parts = run_dir.absolute().parts
    start = len(parts) - parts[::-1].index(sweep) if sweep in parts[:-1] else len(parts) - 1
    of_all = _overrides_of_driver(run_dir.parent / _DRIVER)
    own = [line for line in hydra.overrides.task if line not in of_all]
    varied = [line for line in own if not is_free(line.partition("=")[0].lstrip("+"))]
    return SweepPlace(sweep, "/".join(parts[start:]), varied)


def _overrides_of_driver(file: Path) -> list[str]:
    """Return what the command of a sweep set; empty if its file is missing."""
    try:
        return list(OmegaConf.load(file)["hydra"]["overrides"]["task"])  # type: ignore[index]
    except (OSError, YAMLError, OmegaConfBaseException, KeyError, TypeError):
        return []


def log_outcome(
    loggers: Sequence[Logger],
    run_dir: Path,
    results: Results,
    figures: dict[str, bytes],
    *,
    evaluation: Evaluation | None,
    source: HandDataset | None,
) -> None:
    """Give the results, the worst samples, the figures and the files of a run to its loggers.

    Args:
        loggers: of the run.
        run_dir: of the run.
        results: content of results.json.
        figures: PNG files of the report, by name.
        evaluation: of the run; None without a head.
        source: what was evaluated, unaugmented; None without a head.
    """
    own = [logger for logger in run_loggers(loggers) if logger.takes_outcome]
    if not own:
        return
    table = None
    if evaluation is not None and source is not None:
        table = worst_samples(evaluation, source)
    for logger in own:
        if table is not None:
            logger.log_table("evaluate/worst_samples", table)
        logger.log_results(results, figures)
        logger.log_files(_files(run_dir, results), results)


def _files(run_dir: Path, results: Results) -> list[RunFile]:
    """Return the files that others may want, without a backbone that no stage has trained."""
    files = [RunFile(run_dir / MODEL, "model", ("best",)), RunFile(run_dir / REPORT, "report")]
    if results.get("pretrain_seconds"):
        files.insert(0, RunFile(run_dir / BACKBONE, "backbone"))
    return [file for file in files if file.path.is_file()]
