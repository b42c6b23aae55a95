"""Cuts out and encodes the crops of a block of hands, in a data worker."""

import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import simplejpeg
from torch.utils.data import Dataset

from handpose.data.base import HandDataset
from handpose.data.index.problems import Problem
from handpose.data.packed.plan import CHANNELS, JPEG_COLOURS, JPEG_QUALITY, RAW, Plan
from handpose.data.unreadable import UnreadableError, read_sample


class PackedBlock(NamedTuple):
    """The outcome of a block."""

    number: int
    checksum: int  # CRC-32
    lengths: list[int]  # bytes of each hand
    content: bytes  # of the JPEG files; empty for raw crops, which the worker writes itself
    problems: list[Problem]  # images that cannot be read; then the rest is void


class Blocks(Dataset[PackedBlock]):
    """number of a block -> its crops, encoded.

    Args:
        source: the hands.
        plan: their crops.
        pixels: file of the raw crops.
        numbers: of the blocks to pack.
    """

    def __init__(
        self, source: HandDataset, plan: Plan, pixels: Path, numbers: Sequence[int]
    ) -> None:
        self.source, self.plan, self.pixels, self.numbers = source, plan, pixels, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, row: int) -> PackedBlock:
        number = self.numbers[row]
        crops: list[np.ndarray] = []
        problems: list[Problem] = []
        for index in self.plan.hands_of(number):
            try:
                crops.append(self._cut(index))
            except UnreadableError as error:
                reason = str(error).rpartition(f"{error.name}: ")[2]
                problems.append(
                    Problem(error.name or self.source.without_pixels(index).key, reason)
                )
        if problems:
            return PackedBlock(number, 0, [], b"", problems)
        if self.plan.description["format"][0] == RAW:
            return self._raw(number, crops)
        files = [encode(crop) for crop in crops]
        content = b"".join(files)
        return PackedBlock(number, zlib.crc32(content), list(map(len, files)), content, [])

    def _cut(self, index: int) -> np.ndarray:
        """Read an image and return its crop (H, W, 3)."""
        _, sample = read_sample(self.source, index, unreadable=None, others=())
        found, stated = sample.image.shape[1::-1], tuple(self.plan.sources[index].tolist())
        if found != stated:
            name = sample.key.partition("/")[2].rpartition("#")[0]
            raise UnreadableError(
                f"{name}: {found[0]} x {found[1]} px, and the index says {stated[0]} x {stated[1]}",
                name,
            )
        return self.plan.windows[index].cut(sample.image)

    def _raw(self, number: int, crops: list[np.ndarray]) -> PackedBlock:
        """Write crops into their slots."""
        slots = np.zeros((len(crops), *self.plan.slot, CHANNELS), np.uint8)
        for slot, crop in zip(slots, crops, strict=True):
            slot[: crop.shape[0], : crop.shape[1]] = crop
        content = slots.data.cast("B")
        start = number * self.plan.block * slots[0].nbytes
        with self.pixels.open("r+b", buffering=0) as file:
            written = 0
            while written < len(content):
                written += os.pwrite(file.fileno(), content[written:], start + written)
        lengths = [slots[0].nbytes] * len(crops)
        return PackedBlock(number, zlib.crc32(content), lengths, b"", [])


def encode(crop: np.ndarray) -> bytes:
    """Encode a crop (H, W, 3) uint8 as a JPEG file."""
    return simplejpeg.encode_jpeg(
        np.ascontiguousarray(crop), quality=JPEG_QUALITY, colorsubsampling=JPEG_COLOURS
    )
