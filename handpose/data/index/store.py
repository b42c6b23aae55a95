"""Building an index, keeping it in the cache, and opening it again while its source is the same."""

import hashlib
import inspect
import json
import logging
import os
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handpose.data.array_folder import ArrayFolder, ArrayFolderWriter, find_damage
from handpose.data.cache import ensure_built
from handpose.data.index.annotation import ANNOTATION
from handpose.data.index.checks import faulty_hands, judge_source, unreadable_images
from handpose.data.index.collector import HAND, IMAGE, Collector
from handpose.data.index.columns import Columns
from handpose.data.index.pictures import ReadPicture
from handpose.data.index.problems import BrokenDataError, Problem, as_lines

_log = logging.getLogger(__name__)
_SUMMARY = "summary.json"

Reader = Callable[[Collector], None]


class Index(NamedTuple):
    """A dataset root as arrays, and what was found on the way."""

    arrays: ArrayFolder
    fingerprint: str  # of the source's annotations and pictures, and of the code that read them
    layout: str
    counts: dict[str, int]
    problems: list[Problem]
    warnings: list[str]  # what is unusual


def open_index(
    name: str,
    root: Path,
    folder: Path,
    *,
    read: Reader,
    read_picture: ReadPicture,
    watched: list[Path],
    options: Any = None,
) -> Index:
    """The index of a root; built first where there is none, or where the source has changed.

    Args:
        name: of the source.
        root: the dataset, only read.
        folder: of all indexes.
        read: goes through the annotations.
        read_picture: as in `look_at`.
        watched: files and folders whose size and time tell a change.
        options: plain values on which the index depends.

    Raises:
        BrokenDataError: the annotations cannot be read, or nothing in them can be used.
    """
    described = json.dumps([name, str(root.absolute()), options])
    own = folder / f"{name}-{hashlib.sha256(described.encode()).hexdigest()[:16]}"
    fingerprint = _fingerprint(read, watched)

    def build() -> None:
        _log.info("%s: reading the annotations and pictures of %s, once", name, root)
        _build(root, own, read, read_picture, fingerprint)

    ensure_built(own, lambda: _find_problem(own, root, fingerprint), build)
    return _opened(own, _summary(own))


def _find_problem(folder: Path, root: Path, fingerprint: str) -> str | None:
    """None for a whole index, "" for one that is missing or out of date, or how it is corrupt."""
    if not os.path.lexists(folder):
        return ""
    try:
        summary = _summary(folder)
        if summary["fingerprint"] != fingerprint:  # of other data, or of another version
            return ""
        index = _opened(folder, summary)
        is_current = summary["bad_files"] == _bad_files(root, index.problems)
        return find_damage(folder, checksums=False) if is_current else ""
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{type(error).__name__}: {error}"


def _summary(folder: Path) -> dict[str, Any]:
    """What was written beside the arrays."""
    return json.loads((folder / _SUMMARY).read_text())


def _opened(folder: Path, summary: dict[str, Any]) -> Index:
    problems = [Problem(*problem) for problem in summary["problems"]]
    return Index(
        ArrayFolder(folder),
        summary["fingerprint"],
        summary["layout"],
        summary["counts"],
        problems,
        summary["warnings"],
    )


def _bad_files(root: Path, problems: Iterable[Problem]) -> str:
    """The states of what is bad: a file that is fixed in place changes no folder."""
    return _states([root / problem.file.split("#")[0] for problem in problems])


def _fingerprint(read: Reader, watched: list[Path]) -> str:
    """Of the source (size and time of what is watched) and of the code that reads it."""
    digest = hashlib.sha256(_code(Path(inspect.getfile(read))))
    return hashlib.sha256(digest.digest() + _states(watched).encode()).hexdigest()


def _states(paths: list[Path]) -> str:
    """A digest of the sizes and times of files and folders, whether they are there or not."""
    digest = hashlib.sha256()
    for path in paths:
        status = path.stat() if path.exists() else None
        state = status and (status.st_size, status.st_mtime_ns)
        digest.update(f"{path} {state}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


@cache
def _code(reader: Path) -> bytes:
    """The code on which an index depends: one of another version is not reused.

    More than a reader imports, so that none of it is forgotten: joint orders, cameras, pictures.
    """
    data = Path(__file__).parents[1]
    files = [
        *data.rglob("*.py"),
        *(data.parent / "geometry").glob("*.py"),
        data.parent / "skeleton.py",
    ]
    return b"".join(path.read_bytes() for path in [reader, *sorted(files)])


def _build(
    root: Path, folder: Path, read: Reader, read_picture: ReadPicture, fingerprint: str
) -> None:
    with Columns(ANNOTATION | HAND | IMAGE, beside=folder.parent) as columns:
        collector = Collector(columns)
        read(collector)
        bad = np.isin(columns.read("annotation"), list(collector.bad_annotations))
        if not judge_source(collector, ~bad):
            raise _nothing_usable(root, collector)
        bad_images = unreadable_images(root, collector, read_picture)
        bad |= np.isin(columns.read("image"), bad_images)
        bad |= faulty_hands(collector, ~bad)
        if collector.fatal or bad.all():
            raise _nothing_usable(root, collector)
        summary = {
            "fingerprint": fingerprint,
            "layout": collector.layout,
            "counts": dict(collector.counts),
            "problems": collector.problems,
            "warnings": collector.warnings,
            "bad_files": _bad_files(root, collector.problems),
        }
        _publish(folder, columns, ~bad, summary)


def _nothing_usable(root: Path, collector: Collector) -> BrokenDataError:
    problems = collector.fatal + collector.problems
    what, counts = "cannot be used", ""
    if not collector.fatal:
        what = "holds no hand that can be used"
        counts = "".join(f"\n  {name}: {count}" for name, count in collector.counts.items())
    message = f"{root} {what}:\n{as_lines(problems)}{counts}"
    return BrokenDataError(message, problems, is_fatal=True)


def _publish(folder: Path, columns: Columns, keep: np.ndarray, summary: dict[str, Any]) -> None:
    writer = ArrayFolderWriter(folder)
    try:
        for name in columns.schema:
            columns.copy(name, writer, keep if name in HAND else None)
        (writer.partial / _SUMMARY).write_text(json.dumps(summary))
        writer.publish()
    except BaseException:
        writer.discard()
        raise
