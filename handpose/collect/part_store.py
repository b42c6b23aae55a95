"""The folder of a collection: its claim, the parts that are done, and what they hold.

    OUT/.collect/description.json     options, model and input files
    OUT/.collect/parts/00003-00017.jsonl   part 17 of source 3: `PartDone`, then a row for each hand

A part is there whole or not at all, and its images were written before it. So whatever ended a
process, the next one resumes at the first part that is missing, and writes the same files.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from handpose.collect.options import differences
from handpose.files import read_json_object, replacing

_OWN = ".collect"
_DESCRIPTION = "description.json"
Row = dict[str, Any]


class CollectionRefusedError(ValueError):
    """The folder is of another collection, in use, or not one."""


class PartDone(NamedTuple):
    """What is known of a part, beside its hands."""

    has_ended: bool  # the source has no further part
    counts: dict[str, int]
    problems: list[tuple[str, str]]  # (file, reason)
    remembered: dict[str, Any]  # state of `NearDuplicates` behind it


class Store:
    """The parts of a collection in a claimed folder; see `claimed`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._parts = folder / _OWN / "parts"

    def read(self, source: int, part: int) -> PartDone | None:
        """Return what is known of a part; None if it is not done.

        Args:
            source: number of the source.
            part: number of the part in it.

        Raises:
            ValueError: its file is corrupt; names it.
        """
        path = self._path(source, part)
        if not path.exists():
            return None
        with path.open(encoding="utf-8") as lines:
            return _read_line(path, lambda: PartDone(**json.loads(next(lines))))

    def write(self, source: int, part: int, done: PartDone, rows: list[Row]) -> None:
        """Store a part whose images are written.

        Args:
            source: number of the source.
            part: number of the part in it.
            done: what is known of it.
            rows: its hands, plain values.
        """
        path = self._path(source, part)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial, partial.open("w", encoding="utf-8") as file:
            for line in (done._asdict(), *rows):
                file.write(f"{json.dumps(line, allow_nan=False)}\n")
            file.flush()
            os.fsync(file.fileno())

    def rows(self) -> Iterator[Row]:
        """Yield the hands of all parts, in order."""
        for path in sorted(self._parts.glob("*.jsonl")):
            with path.open(encoding="utf-8") as lines:
                next(lines)
                for line in lines:
                    yield _read_line(path, lambda line=line: json.loads(line))

    def forget_parts(self) -> None:
        """Delete the parts, which the tables hold."""
        for path in self._parts.glob("*.jsonl"):
            path.unlink()

    def _path(self, source: int, part: int) -> Path:
        return self._parts / f"{source:06d}-{part:06d}.jsonl"


def _read_line(path: Path, read: Any) -> Any:
    try:
        return read()
    except (ValueError, TypeError, StopIteration) as error:
        raise ValueError(
            f"{path}: corrupt ({error}). Delete this file and run the same command again"
        ) from None


@contextmanager
def claimed(folder: Path, description: dict[str, Any]) -> Iterator[Store]:
    """Lock a folder for a collection, and describe it there.

    Args:
        folder: created if missing.
        description: of the collection, plain values.

    Raises:
        CollectionRefusedError: a live process uses it, it has another description, or other files.
    """
    own = folder / _OWN
    if not own.exists() and folder.exists() and any(folder.iterdir()):
        raise CollectionRefusedError(
            f"{folder}: has files, and none of them of a collection; choose an empty folder"
        )
    own.mkdir(parents=True, exist_ok=True)
    lock = FileLock(own / "lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise CollectionRefusedError(
            f"{folder}: another process collects into it. Wait for it, or choose another folder"
        ) from None
    try:
        _keep(own / _DESCRIPTION, description, folder)
        yield Store(folder)
    finally:
        lock.release()


def _keep(path: Path, description: dict[str, Any], folder: Path) -> None:
    if not path.exists():
        with replacing(path) as partial:
            partial.write_text(json.dumps(description, indent=1))
        return
    try:
        before = read_json_object(path)
    except (OSError, ValueError) as error:
        raise CollectionRefusedError(
            f"{path}: cannot be read ({error}); choose another folder"
        ) from None
    if lines := differences(before, json.loads(json.dumps(description))):
        text = "\n".join(f"  {line}" for line in lines)
        raise CollectionRefusedError(
            f"{folder} was started with another input or other options:\n{text}\n"
            "Repeat the first command to resume, choose another folder, or delete this one."
        )
