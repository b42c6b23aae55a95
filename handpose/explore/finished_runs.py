"""Finished runs below one folder, and their evaluation. Reads nothing outside of the folder."""

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from handpose.config.renamed import with_current_names
from handpose.config.stored import evaluation_problems, outside_problems
from handpose.data.base import HandDataset
from handpose.evaluation.evaluation import Evaluation
from handpose.files import read_json_object
from handpose.pipeline.run_directory import CONFIG, MODEL, RESULTS
from handpose.report.choices import find

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")  # the default folder of a day's runs: not a sweep
_MOST_KEPT = 64
ALIGNED_ERROR = "pa_epe_mm"
ORDERS = ("newest first", "by name", "lowest aligned error first")


class Run(NamedTuple):
    """A finished run."""

    name: str  # its folder, relative to the folder of all runs
    folder: Path
    config: dict[str, Any]
    results: dict[str, Any]
    finished: float  # seconds since 1970

    @property
    def label_fraction(self) -> float | None:
        """Fraction of the labels that it was fine-tuned on."""
        value = find(self.config, "finetune.label_fraction")
        return float(value) if isinstance(value, int | float) else None

    def number(self, name: str) -> float | None:
        """Returns a number of results.json, None if it is absent or null."""
        value = self.results.get(name)
        return float(value) if isinstance(value, int | float) else None


class Found(NamedTuple):
    """The runs below a folder."""

    root: Path
    runs: dict[str, Run]  # by name
    refused: list[str]  # one line per run that cannot be shown

    def sweeps(self) -> dict[str, list[str]]:
        """Returns folders with several runs -> names of the runs. Folders of a day do not count."""
        folders: dict[str, list[str]] = {}
        for name in self.runs:
            for parent in Path(name).parents[:-1]:
                if not _DATE.fullmatch(parent.name):
                    folders.setdefault(str(parent), []).append(name)
        return {folder: names for folder, names in sorted(folders.items()) if len(names) > 1}

    def ordered(self, order: str) -> list[Run]:
        """Returns the runs in one of `ORDERS`; those without an aligned error come last."""
        runs = sorted(self.runs.values(), key=lambda run: run.name)
        if order == ORDERS[0]:
            runs.sort(key=lambda run: -run.finished)
        if order == ORDERS[2]:
            runs.sort(key=_aligned_error)
        return runs


def _aligned_error(run: Run) -> float:
    error = run.number(ALIGNED_ERROR)
    return math.inf if error is None else error


def find_runs(root: Path) -> Found:
    """Reads all finished runs below `root`.

    Raises:
        ValueError: there is no such folder.
    """
    if not root.is_dir():
        what = "a file, not a folder" if root.exists() else "no such folder"
        raise ValueError(f"{root}: {what}; give the folder of your runs: --runs DIR")
    found = Found(root, {}, [])
    for place, folders, files in os.walk(root):  # does not follow links to folders
        folders.sort()
        if {CONFIG, RESULTS} <= set(files):
            folders.clear()
            _add(found, Path(place))
    return found


def _add(found: Found, folder: Path) -> None:
    name, files = str(folder.relative_to(found.root)), (folder / CONFIG, folder / RESULTS)
    try:
        config, results = (read_json_object(inside(found.root, file)) for file in files)
        current = with_current_names(config)
        found.runs[name] = Run(name, folder, current, results, files[1].stat().st_mtime)
    except (ValueError, OSError) as error:
        found.refused.append(f"{name}: {error}")


def inside(root: Path, path: Path) -> Path:
    """Resolves the links of a path.

    Args:
        root: the folder that must contain it.

    Raises:
        ValueError: it leads outside of `root`.
    """
    real = path.resolve()
    if not real.is_relative_to(root.resolve()):
        raise ValueError(f"{path.name} is a link to a place outside of {root}; it is not read")
    return real


class Evaluated(NamedTuple):
    """The predictions of a run beside the truth, and the samples they belong to."""

    evaluation: Evaluation
    source: HandDataset


class Evaluator:
    """Evaluates runs on the split of their results; keeps the latest evaluations in memory."""

    def __init__(self, runs: Path, folders: Sequence[Path], overrides: Sequence[str]) -> None:
        """Creates an evaluator.

        Args:
            runs: the folder of all runs; models outside of it are refused.
            folders: allowed folders for the datasets of runs.
            overrides: KEY=VALUE with the data folders of this machine.
        """
        self.runs = runs
        self._folders = folders
        # The server has threads, which worker processes must not be forked from.
        self._overrides = [*overrides, "trainer.num_workers=0"]
        self._kept: dict[tuple[str, int], Evaluated] = {}

    def __call__(self, run: Run) -> Evaluated:
        """Evaluates a run, or returns its evaluation from before.

        Raises:
            ValueError: it cannot be evaluated; has all reasons.
        """
        key = run.name, self._model(run).stat().st_mtime_ns
        if key not in self._kept:
            if len(self._kept) == _MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = self._evaluate(run)
        return self._kept[key]

    def _model(self, run: Run) -> Path:
        path = inside(self.runs, run.folder / MODEL)
        if not path.is_file():
            raise ValueError(f"{run.name} has no {MODEL}: with head=none there is no pose model")
        return path

    def _evaluate(self, run: Run) -> Evaluated:
        cfg, problems = evaluation_problems(run.config, self._overrides)
        if cfg is not None:
            problems = outside_problems(cfg, self._folders) or problems
        if problems or cfg is None:
            raise ValueError(f"{run.name} cannot be evaluated: " + "; ".join(problems))
        from handpose.pipeline.evaluate_run import evaluate_finished  # seconds of imports

        _, evaluation, dataset = evaluate_finished(cfg, run.folder)
        return Evaluated(evaluation, dataset.source.whole)
