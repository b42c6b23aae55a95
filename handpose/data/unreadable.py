"""Images that become unreadable during training: retried, replaced, listed, limited.

In evaluation an image is retried and then an error, as a replacement would change the result.
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
_PAUSES = (0.1, 0.5)  # seconds before a retry: a busy server answers then
_COLUMNS = ("file", "reason")
_MOST_TRIED = 100  # substitutes for one sample; after so many bad ones, few are good
_SUBSTITUTE = 1  # sets these draws apart from those of the augmentation


class UnreadableError(ValueError):
    """An image cannot be read.

    Attributes:
        name: its path, relative to the dataset's root.
    """

    def __init__(self, message: str, name: str = "") -> None:  # a worker's is made of its text
        super().__init__(message)
        self.name = name


class UnreadableList:
    """The replaced images: a CSV (file, reason) to which all workers and ranks append.

    A later run can take it as its `dataset.quarantine`.

    Args:
        path: of the file, created with its first row.
        limit: number of images that may be in it.
    """

    def __init__(self, path: Path, *, limit: int) -> None:
        self.path = path
        self.limit = limit

    def names(self) -> set[str]:
        """Return the images listed so far, by any process."""
        if not self.path.exists():
            return set()
        with self.path.open(newline="", encoding="utf-8") as file:
            return {row["file"] for row in csv.DictReader(file)} - {_COLUMNS[0]}  # two may begin it

    def add(self, error: UnreadableError) -> None:
        """Append an image unless it is listed, and log it.

        Raises:
            ValueError: these are more than the limit.
        """
        known = self.names()
        if error.name not in known:
            _log.warning("%s; another image replaces it (see %s)", error, self.path)
            with self.path.open("a", newline="", encoding="utf-8") as file:
                rows = [(error.name, str(error))]
                csv.writer(file).writerows(rows if known else [_COLUMNS, *rows])
        if len(known | {error.name}) > self.limit:
            raise ValueError(
                f"{error}.\nMore than {self.limit} images could not be read (trainer."
                f"max_unreadable; {self.path} lists them). Fix them or their disk first"
            ) from error


def read_sample(
    source: HandDataset,
    index: int,
    *,
    unreadable: UnreadableList | None,
    others: Iterable[int],
) -> tuple[int, Sample]:
    """Read a sample, or the first substitute that can be read, with its place in the source.

    Args:
        unreadable: records which images are replaced; None: an unreadable image is an error.

    Raises:
        UnreadableError: the image cannot be read and cannot be replaced.
        ValueError: too many images cannot be read.
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
    """Read a sample, with retries after a pause unless it is known to be unreadable."""
    for pause in _PAUSES:
        try:
            return source[place]
        except UnreadableError as error:
            if unreadable is not None and error.name in unreadable.names():
                raise
            time.sleep(pause)
    return source[place]


def substitutes(places: np.ndarray, *, seed: int, time: int, index: int) -> Iterator[int]:
    """Draw substitutes for a sample; the draws depend on (seed, time, index) only.

    Args:
        places: (N,) to draw from.
        time: how often the sample was drawn before.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, time, index, _SUBSTITUTE]))
    for _ in range(_MOST_TRIED):
        yield int(places[rng.integers(len(places))])
