"""Pictures that become unreadable while a run trains: tried again, replaced, listed, limited.

In evaluation they are tried again and then an error: over other pictures it is another number.
"""

import csv
import logging
import time
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from handpose.data.base import HandDataset
from handpose.records import Sample

_log = logging.getLogger(__name__)
_PAUSES = (0.1, 0.5)  # seconds before it is tried again: a busy server answers then
_COLUMNS = ("file", "reason")
_MOST_TRIED = 100  # places for one sample: with so many bad ones in a row hardly any is good
_SUBSTITUTE = 1  # sets these draws apart from those of the augmentation


class UnreadableError(ValueError):
    """A picture cannot be read.

    Attributes:
        name: its path, relative to the dataset's root.
    """

    def __init__(self, message: str, name: str = "") -> None:  # a worker's is made of its text
        super().__init__(message)
        self.name = name


class UnreadableList:
    """The pictures that were replaced: a CSV (file, reason), which all workers and ranks add to.

    It has the columns of `dataset.quarantine`, which a later run can be given it for.

    Args:
        path: made when there is something to list.
        limit: how many pictures may be in it.
    """

    def __init__(self, path: Path, *, limit: int) -> None:
        self.path = path
        self.limit = limit

    def names(self) -> set[str]:
        """The pictures listed so far, by whichever process."""
        if not self.path.exists():
            return set()
        with self.path.open(newline="", encoding="utf-8") as file:
            return {row["file"] for row in csv.DictReader(file)} - {_COLUMNS[0]}  # two may begin it

    def add(self, error: UnreadableError) -> None:
        """One more, unless it is listed; the log says so once.

        Raises:
            ValueError: these are more than the limit.
        """
        known = self.names()
        if error.name not in known:
            _log.warning("%s; another picture takes its place (see %s)", error, self.path)
            with self.path.open("a", newline="", encoding="utf-8") as file:
                rows = [(error.name, str(error))]
                csv.writer(file).writerows(rows if known else [_COLUMNS, *rows])
        if len(known | {error.name}) > self.limit:
            raise ValueError(
                f"{error}.\nMore than {self.limit} pictures could not be read (trainer."
                f"max_unreadable; {self.path} lists them). Fix them or their disk first"
            ) from error


def read_sample(
    source: HandDataset,
    index: int,
    *,
    unreadable: UnreadableList | None,
    others: Iterable[int],
) -> tuple[int, Sample]:
    """The sample and its place in the source: `index`, or the first of `others` that can be read.

    Args:
        unreadable: takes note of what cannot be read; None: that is an error.
        others: the places to try instead.

    Raises:
        UnreadableError: the picture cannot be read, and no other may or can take its place.
        ValueError: too many pictures cannot be read.
    """
    for place in chain([index], others):
        try:
            return place, _read_patiently(source, place, unreadable)
        except UnreadableError as error:
            if unreadable is None:
                raise
            unreadable.add(error)
            last = error
    raise last


def _read_patiently(source: HandDataset, place: int, unreadable: UnreadableList | None) -> Sample:
    """Tries again after a while, unless the picture is known to be unreadable."""
    for pause in _PAUSES:
        try:
            return source[place]
        except UnreadableError as error:
            if unreadable is not None and error.name in unreadable.names():
                raise
            time.sleep(pause)
    return source[place]


def substitutes(places: np.ndarray, *, seed: int, time: int, index: int) -> Iterator[int]:
    """Some of the places (N,), in an order that depends on (seed, time, index) alone."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, time, index, _SUBSTITUTE]))
    for _ in range(_MOST_TRIED):
        yield int(places[rng.integers(len(places))])
