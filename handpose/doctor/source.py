"""A source on disk, opened in every split, also when a training would refuse it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from handpose.data.base import SPLITS, HandDataset, MissingSplitError, Split
from handpose.data.index.problems import (
    BrokenDataError,
    Problem,
    read_quarantine,
    write_quarantine,
)

# (split, quarantine) -> the dataset; the quarantine replaces the configured one, None keeps it.
Open = Callable[[Split, str | None], HandDataset]


class Source(NamedTuple):
    """A source as the command line configures it."""

    key: str  # where its keys lie: "dataset", "dataset.parts.mpii"
    name: str  # of the choice
    open: Open
    settings: Mapping[str, Any]  # its plain values


class Opened(NamedTuple):
    """What opening a source came to."""

    splits: dict[Split, HandDataset]
    missing: dict[Split, str]  # why a split is not there
    refused: list[Problem]  # what a training would be refused for
    is_fatal: bool  # it cannot be read at all: `refused` says why, and no split is there


def open_splits(source: Source) -> Opened:
    """All splits that there are; bad files and records that are no quarantine's are left out."""
    try:
        refused = _refused(source)
        with TemporaryDirectory() as folder:
            quarantine = _accept(source, refused, Path(folder) / "all.csv") if refused else None
            return _opened(source, quarantine, refused)
    except BrokenDataError as error:
        return Opened({}, {}, error.problems, is_fatal=True)
    except (ValueError, OSError) as error:  # a setting or a file that cannot be used
        return Opened({}, {}, [Problem(source.key, str(error))], is_fatal=True)


def _refused(source: Source) -> list[Problem]:
    """The bad files and records that a training is refused for."""
    try:
        source.open("train", None)
    except MissingSplitError:
        return []
    except BrokenDataError as error:
        if error.is_fatal:
            raise
        return error.problems
    return []


def _accept(source: Source, refused: list[Problem], path: Path) -> str:
    """A quarantine of everything: those refused, and those of the configured quarantine."""
    configured = source.settings.get("quarantine")
    known = read_quarantine(Path(configured)) if configured else set()
    write_quarantine(path, refused + [Problem(file, "") for file in sorted(known)])
    return str(path)


def _opened(source: Source, quarantine: str | None, refused: list[Problem]) -> Opened:
    splits: dict[Split, HandDataset] = {}
    missing: dict[Split, str] = {}
    for split in SPLITS:
        try:
            splits[split] = source.open(split, quarantine)
        except MissingSplitError as error:
            missing[split] = str(error)
    return Opened(splits, missing, refused, is_fatal=False)
