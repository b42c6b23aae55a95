"""The predictions of a run, made on request and kept as long as the page is open."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from handpose.config.stored import evaluation_problems, outside_problems
from handpose.data.base import HandDataset
from handpose.evaluation.evaluation import Evaluation
from handpose.explore.runs import Run, model_file

_MOST_KEPT = 64


class Evaluated(NamedTuple):
    """A run's predictions beside the truth, and the samples that they are of."""

    evaluation: Evaluation
    source: HandDataset


def evaluator(
    runs: Path, folders: Sequence[Path], overrides: Sequence[str]
) -> Callable[[Run], Evaluated]:
    """Evaluates a run on the split that its results are of; a second time gives what there is.

    Args:
        runs: the folder of all runs, which a model must lie in.
        folders: those that a run's dataset must lie in, whatever its configuration says.
        overrides: KEY=VALUE that say where data lies on this machine.
    """
    known: dict[str, Run] = {}

    @lru_cache(maxsize=_MOST_KEPT)
    def kept(name: str, version: str) -> Evaluated:
        return _evaluate(known[name], runs, folders, overrides)

    def evaluate(run: Run) -> Evaluated:
        known[run.name] = run
        return kept(run.name, str(model_file(runs, run).stat().st_mtime_ns))

    return evaluate


def _evaluate(run: Run, runs: Path, folders: Sequence[Path], overrides: Sequence[str]) -> Evaluated:
    """Raises ValueError where it cannot be evaluated, with all reasons."""
    model_file(runs, run)
    # A server has threads, which worker processes must not be forked from.
    cfg, problems = evaluation_problems(run.config, [*overrides, "trainer.num_workers=0"])
    if cfg is not None:
        problems = outside_problems(cfg, folders) or problems
    if problems or cfg is None:
        raise ValueError(f"{run.name} cannot be evaluated: " + "; ".join(problems))
    from handpose.pipeline.evaluate_run import evaluate_finished  # Lightning, and seconds

    _, evaluation, dataset = evaluate_finished(cfg, run.folder)
    return Evaluated(evaluation, dataset.source)
