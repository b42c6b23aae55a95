"""Finished runs below one folder. Nothing that lies outside of it is read, links included."""

import json
import math
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from handpose.files import LARGEST_TEXT, regular
from handpose.pipeline.run_directory import CONFIG, MODEL, RESULTS
from handpose.report.choices import find

# Of days, which runs lie in unless told otherwise: their folder is no sweep.
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
ALIGNED_ERROR = "pa_epe_mm"
ORDERS = ("newest first", "by name", "lowest aligned error first")


class Run(NamedTuple):
    """A finished run."""

    name: str  # its folder, relative to that of all runs
    folder: Path
    config: dict[str, Any]
    results: dict[str, Any]
    finished: float  # seconds since 1970

    @property
    def label_fraction(self) -> float | None:
        """The share of labels that it was fine-tuned on."""
        value = find(self.config, "finetune.label_fraction")
        return float(value) if isinstance(value, int | float) else None


class Found(NamedTuple):
    """What lies below a folder."""

    root: Path
    runs: dict[str, Run]  # by name
    refused: list[str]  # a line for each run that cannot be shown

    def sweeps(self) -> dict[str, list[str]]:
        """The folders that hold several runs, but for those of days, with the names of the runs."""
        folders: dict[str, list[str]] = {}
        for name in self.runs:
            for parent in Path(name).parents[:-1]:
                if not _DATE.fullmatch(parent.name):
                    folders.setdefault(str(parent), []).append(name)
        return {folder: names for folder, names in sorted(folders.items()) if len(names) > 1}

    def ordered(self, order: str) -> list[Run]:
        """The runs in one of `ORDERS`; without an aligned error last."""
        runs = sorted(self.runs.values(), key=lambda run: run.name)
        if order == ORDERS[0]:
            return sorted(runs, key=lambda run: -run.finished)
        return sorted(runs, key=_aligned_error) if order == ORDERS[2] else runs


def find_runs(root: Path) -> Found:
    """All finished runs below `root`.

    Raises:
        ValueError: there is no such folder.
    """
    if not root.is_dir():
        what = "a file, not a folder" if root.exists() else "no such folder"
        raise ValueError(f"{root}: {what}; give the folder that holds your runs: --runs DIR")
    found = Found(root, {}, [])
    for place, folders, files in os.walk(root):  # which does not follow links to folders
        folders.sort()
        if {CONFIG, RESULTS} <= set(files):
            folders.clear()
            _add(found, Path(place))
    return found


def _add(found: Found, folder: Path) -> None:
    name = str(folder.relative_to(found.root))
    try:
        config, results = (_read(found.root, folder / file) for file in (CONFIG, RESULTS))
        finished = (folder / RESULTS).stat().st_mtime
    except (ValueError, OSError) as error:
        found.refused.append(f"{name}: {error}")
    else:
        found.runs[name] = Run(name, folder, config, results, finished)


def _aligned_error(run: Run) -> float:
    value = run.results.get(ALIGNED_ERROR)
    return float(value) if isinstance(value, int | float) else math.inf


def _read(root: Path, path: Path) -> dict[str, Any]:
    text = regular(inside(root, path), most=LARGEST_TEXT).read_text(encoding="utf-8")
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} is not an object of JSON")
    return content


def inside(root: Path, path: Path) -> Path:
    """`path` with its links followed.

    Raises:
        ValueError: that is outside of `root`.
    """
    real = path.resolve()
    if not real.is_relative_to(root.resolve()):
        raise ValueError(f"{path.name} is a link to a place outside of {root}; it is not read")
    return real


def model_file(root: Path, run: Run) -> Path:
    """The run's model.

    Raises:
        ValueError: it has none, or it lies outside of `root`.
    """
    path = inside(root, run.folder / MODEL)
    if not path.is_file():
        raise ValueError(f"{run.name}: without {MODEL}; with head=none a run has no pose model")
    return path
