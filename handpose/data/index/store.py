"""Builds an index, caches it, and reopens it while its source is unchanged."""

import hashlib
import inspect
import json
import logging
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from handpose.data.cache import ArrayFolder, ensure_built, find_corruption, writing
from handpose.data.index.collector import Collector
from handpose.data.index.columns import open_columns
from handpose.data.index.problems import BrokenDataError, Problem, as_lines
from handpose.data.index.screening import (
    faulty_hands,
    is_in_images,
    is_plausible,
    unreadable_images,
)

_log = logging.getLogger(__name__)
_SUMMARY = "summary.json"


class Source(Protocol):
    """The source of an index; see `handpose.data.indexed.IndexedDataset`."""

    name: str
    root: Path

    def watched(self) -> list[Path]: ...
    def read(self, collector: Collector) -> None: ...
    def options(self) -> Any: ...
    def read_image(self, path: Path) -> np.ndarray: ...


class Index(NamedTuple):
    """A dataset root as arrays, with problems and counts."""

    arrays: ArrayFolder
    fingerprint: str  # of the source's annotations and images, and of the code that read them
    layout: str
    counts: dict[str, int]
    problems: list[Problem]
    warnings: list[str]


def open_index(source: Source, cache: Path) -> Index:
    """Open the index of a dataset root; build it if it is missing or the source has changed.

    Args:
        source: the dataset; its root is only read.
        cache: folder of all indexes.

    Raises:
        BrokenDataError: the annotations cannot be read, or nothing in them can be used.
    """
    described = json.dumps([source.name, str(source.root.absolute()), source.options()])
    folder = cache / f"{source.name}-{hashlib.sha256(described.encode()).hexdigest()[:16]}"
    code = _code(Path(inspect.getfile(source.read)))
    fingerprint = hashlib.sha256(code + _states(source.watched()).encode()).hexdigest()

    def build() -> None:
        _log.info("%s: building the index of %s", source.name, source.root)
        _build(source, folder, fingerprint)

    ensure_built(folder, lambda: _find_problem(folder, source.root, fingerprint), build)
    return _open(folder)


def _find_problem(folder: Path, root: Path, fingerprint: str) -> str | None:
    """Return None for a valid index, "" if missing or out of date, else the corruption."""
    if not os.path.lexists(folder):
        return ""
    try:
        if _summary(folder)["fingerprint"] != fingerprint:  # of other data, or another version
            return ""
        is_current = _summary(folder)["bad_files"] == _bad_files(root, _open(folder).problems)
        return find_corruption(folder, checksums=False) if is_current else ""
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{type(error).__name__}: {error}"


def _summary(folder: Path) -> dict[str, Any]:
    return json.loads((folder / _SUMMARY).read_text())


def _open(folder: Path) -> Index:
    summary = _summary(folder)
    problems = [Problem(*problem) for problem in summary["problems"]]
    found = {name: summary[name] for name in ("fingerprint", "layout", "counts", "warnings")}
    return Index(ArrayFolder(folder), problems=problems, **found)


def _bad_files(root: Path, problems: Iterable[Problem]) -> str:
    """Return the states of the bad files; fixing one in place changes no folder."""
    return _states([root / problem.file.split("#")[0] for problem in problems])


def _states(paths: list[Path]) -> str:
    """Return a digest of the sizes and times of files and folders, present or missing."""
    digest = hashlib.sha256()
    for path in paths:
        status = path.stat() if path.exists() else None
        state = status and (status.st_size, status.st_mtime_ns)
        digest.update(f"{path} {state}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


@cache
def _code(reader: Path) -> bytes:
    """Return a digest of the code that the index depends on."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in _code_files(reader))).digest()


def _code_files(reader: Path) -> list[Path]:
    """Return the files of that code: also joint orders, cameras and images."""
    package = Path(__file__).parents[2]
    files = [*(package / "data").rglob("*.py"), *(package / "geometry").glob("*.py")]
    return [reader, *sorted(files), package / "skeleton.py"]


def _build(source: Source, folder: Path, fingerprint: str) -> None:
    with open_columns(folder.parent) as columns:
        collector = Collector(columns)
        source.read(collector)
        bad = np.isin(columns.read("annotation"), list(collector.bad_annotations))
        if not is_plausible(collector, ~bad):
            raise _nothing_usable(source.root, collector)
        bad_images = unreadable_images(source.root, collector, source.read_image)
        bad |= np.isin(columns.read("image"), bad_images)
        if not is_in_images(collector, ~bad):
            raise _nothing_usable(source.root, collector)
        bad |= faulty_hands(collector, ~bad)
        if collector.fatal or bad.all():
            raise _nothing_usable(source.root, collector)
        summary = {
            "fingerprint": fingerprint,
            "layout": collector.layout,
            "counts": dict(collector.counts),
            "problems": collector.problems,
            "warnings": collector.warnings,
            "bad_files": _bad_files(source.root, collector.problems),
        }
        with writing(folder) as writer:
            columns.save(writer, ~bad)
            (writer.folder / _SUMMARY).write_text(json.dumps(summary))


def _nothing_usable(root: Path, collector: Collector) -> BrokenDataError:
    problems = collector.fatal + collector.problems
    what, counts = "cannot be used", ""
    if not collector.fatal:
        what = "holds no hand that can be used; check dataset.root, and what was left out"
        counts = "".join(f"\n  {name}: {count}" for name, count in collector.counts.items())
    listed = f"\n{as_lines(problems)}" if problems else ""
    message = f"{root} {what}:{listed}{counts}"
    return BrokenDataError(message, problems, is_fatal=True)
