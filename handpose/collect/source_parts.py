"""The sources of a collection, and their parts: stretches of a video, or blocks of images."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from handpose.files import shown
from handpose.media.frames import Frame, read_images
from handpose.media.inputs import Input
from handpose.media.sparse_frames import open_part, seconds_of

_PART_SECONDS = 120  # of a video: a killed process loses at most so much
_PART_IMAGES = 256


class Source(NamedTuple):
    """A video, or all single images together."""

    is_video: bool
    paths: tuple[Path, ...]  # of a video one
    names: tuple[str, ...]  # paths below the input's folder
    every: Fraction  # seconds of a video of which one frame is taken

    @property
    def name(self) -> str:
        """The name of a video."""
        return self.names[0]

    def problem(self, error: ValueError) -> tuple[str, str]:
        """Return (file, reason) of an error that begins with the path of a file."""
        path, _, reason = str(error).partition(": ")
        files = dict(zip(map(str, self.paths), self.names, strict=True))
        return files.get(path, path), reason


@dataclass
class Reading:
    """A part that is read. Its fields but `frames` are complete once the frames are read."""

    frames: Iterator[Frame | ValueError]
    has_ended: bool = False
    num_corrupt: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)  # (file, reason)


def sources_of(found: Input, every: float) -> list[Source]:
    """Return the images, if any, and each video.

    Args:
        found: the input.
        every: seconds of which one frame is taken.
    """
    interval = Fraction(every).limit_denominator(1000)
    names = tuple(map(found.name, found.images))
    images = [Source(False, found.images, names, interval)] if found.images else []
    videos = [Source(True, (path,), (found.name(path),), interval) for path in found.videos]
    return images + videos


def described(found: Input) -> dict[str, Any]:
    """Return what parts depend on: how many files, a digest of their names and sizes, lengths."""
    digest = hashlib.sha256()
    for path in found.files:
        size = path.stat().st_size if path.exists() else -1
        digest.update(f"{found.name(path)} {size}\n".encode("utf-8", "surrogateescape"))
    files = f"{len(found.files)} with names and sizes of digest {digest.hexdigest()[:16]}"
    return {"input files": files, "parts": f"{_PART_SECONDS} s, {_PART_IMAGES} images"}


def num_frames(source: Source) -> int | None:
    """Return how many frames will be read; None if a video does not state it."""
    if not source.is_video:
        return len(source.paths)
    try:
        seconds = seconds_of(source.paths[0])
    except ValueError:  # told when it is read
        return 0
    return None if seconds is None else max(1, math.ceil(seconds / source.every))


def read_part(source: Source, part: int) -> Reading:
    """Read a part of a source; what is wrong with it becomes a problem.

    Args:
        source: the source.
        part: number of the part, from 0.
    """
    if not source.is_video:
        block = slice(part * _PART_IMAGES, (part + 1) * _PART_IMAGES)
        frames = read_images(source.paths[block], source.names[block])
        return Reading(frames, has_ended=block.stop >= len(source.paths))
    if shown(source.name) != source.name:
        problem = (shown(source.name), "its name is not UTF-8; rename it")
        return Reading(iter(()), has_ended=True, problems=[problem])
    reading = Reading(iter(()))
    reading.frames = _video_frames(source, part, reading)
    return reading


def _video_frames(source: Source, part: int, reading: Reading) -> Iterator[Frame]:
    """Yield the frames of a part of a video, then complete what is known of it."""
    (path,) = source.paths
    length = max(1, round(_PART_SECONDS / source.every))
    first, last = part * length, (part + 1) * length
    try:
        with open_part(path, name=source.name, every=source.every, first=first, last=last) as clip:
            yield from clip.frames
    except ValueError as error:
        reading.has_ended = True
        reading.problems.append((source.name, str(error).removeprefix(f"{path}: ")))
        return
    reading.has_ended, reading.num_corrupt = clip.has_ended, clip.num_corrupt
    where = f"from {float(first * source.every):g} to {float(last * source.every):g} s"
    if clip.error:
        reading.problems.append((source.name, f"cannot be read further, {where}: {clip.error}"))
        seconds = seconds_of(path)
        reading.has_ended = seconds is None or seconds <= last * source.every
    if clip.num_corrupt:
        text = f"{clip.num_corrupt} frames or packets cannot be decoded, {where}"
        reading.problems.append((source.name, text))
