"""Every picture of a dataset decoded once, on all cores."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handpose.data.images import is_turned
from handpose.distributed.processes import num_cores
from handpose.progress import track

_CHUNK = 512  # pictures handed to the threads at a time
_QUIET = 2000  # below this many there is no progress to tell of

Picture = tuple[str, tuple[int, int]]
ReadPicture = Callable[[Path], np.ndarray]


class Look(NamedTuple):
    """What an image looks like."""

    size: tuple[int, int] = (0, 0)  # width, height
    reason: str | None = None  # why it cannot be used
    is_turned: bool = False  # by its EXIF


def look_at(
    root: Path, pictures: Iterable[Picture], *, total: int, read: ReadPicture
) -> Iterator[Look]:
    """Yields what each picture looks like.

    Args:
        root: what their paths are relative to.
        pictures: (path, (width, height) that the source states, 0 for not stated).
        total: how many there are.
        read: a path -> (H, W, 3); a ValueError says, after the path, why not.
    """
    if total >= _QUIET:
        pictures = track(pictures, what=f"checking the images of {root}", total=total)
    with ThreadPoolExecutor(num_cores()) as threads:
        for chunk in _chunks(pictures):
            yield from threads.map(lambda picture: _look(read, root, *picture), chunk)


def _chunks(items: Iterable[Any]) -> Iterator[list[Any]]:
    """A list at a time: a pool's map would take them all at once."""
    chunk = []
    for item in items:
        chunk.append(item)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    yield chunk


def _look(read: ReadPicture, root: Path, name: str, stated: tuple[int, int]) -> Look:
    try:
        height, width = read(root / name).shape[:2]
    except ValueError as error:
        return Look(reason=str(error).removeprefix(f"{root / name}: "))
    if any(stated) and (width, height) != tuple(stated):
        expected = f"{stated[0]} x {stated[1]}"
        return Look(reason=f"{width} x {height} px, where the annotations say {expected}")
    return Look((width, height), is_turned=is_turned(root / name))
