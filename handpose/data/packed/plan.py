"""What a pack holds and where it lies, known before any pixel is read. N hands."""

import hashlib
import json
from dataclasses import astuple
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handpose.augment.reach import Reach, Window
from handpose.data.base import HandDataset
from handpose.progress import track

_VERSION = 1  # of the layout and of the crops' pixels
_BLOCK_BYTES = 1 << 23  # of uncompressed crops: what one checksum covers, and a worker packs
CHANNELS = 3
RAW, JPEG = "raw", "jpeg"
JPEG_QUALITY = 95
# JPEG files of hands store colours at half the resolution, and crops start at their blocks.
JPEG_COLOURS = "420"


class Plan(NamedTuple):
    """The crops of all hands of a split, in its order."""

    description: dict[str, Any]  # all that decides the pack's content, in plain values
    windows: list[Window]  # of each hand
    sources: np.ndarray  # (N, 2) int64, width and height of the source images

    @property
    def sizes(self) -> np.ndarray:
        """(N, 2) int64, width and height of each crop."""
        return np.array([window.size for window in self.windows], dtype=np.int64)

    @property
    def slot(self) -> tuple[int, int]:
        """(P, Q): height and width in px that hold every crop."""
        width, height = self.sizes.max(axis=0).tolist()
        return height, width

    @property
    def block(self) -> int:
        """Number of hands of a block."""
        height, width = self.slot
        return max(1, _BLOCK_BYTES // (height * width * CHANNELS))

    def hands_of(self, block: int) -> range:
        """Return the hands of a block."""
        return range(block * self.block, min((block + 1) * self.block, len(self.windows)))

    @property
    def num_blocks(self) -> int:
        """Number of blocks."""
        return -(-len(self.windows) // self.block)


def describe(source: HandDataset, reach: Reach, pack_format: str) -> dict[str, Any]:
    """Return all that decides the content of a pack, in plain values.

    Args:
        source: the hands; has a fingerprint.
        reach: what is cut out of their images.
        pack_format: "raw" or "jpeg".
    """
    assert source.fingerprint is not None, "without a fingerprint, a pack has no address"
    encoding = [JPEG_QUALITY, JPEG_COLOURS] if pack_format == JPEG else []
    return {
        "version": _VERSION,
        "source": source.name,
        "split": source.split,
        "fingerprint": source.fingerprint,
        "boxes": source.box_rule,
        "reach": list(astuple(reach)),
        "format": [pack_format, *encoding],
    }


def place(folder: Path, description: dict[str, Any]) -> Path:
    """Return the folder of a pack: its address is a digest of its description.

    Args:
        folder: of all packs.
        description: from `describe`.
    """
    content = json.dumps(description, sort_keys=True)
    return folder / hashlib.sha256(content.encode()).hexdigest()[:16]


def make_plan(source: HandDataset, reach: Reach, pack_format: str) -> Plan:
    """Find the crop of every hand, without pixels.

    Args:
        source: the hands.
        reach: what is cut out of their images.
        pack_format: "raw" or "jpeg".
    """
    windows, sources = [], []
    hands = range(len(source))
    for index in track(hands, what=f"boxes of {source.name}, {source.split}", total=len(hands)):
        window, size = find_window(source, reach, index)
        windows.append(window)
        sources.append(size)
    return Plan(describe(source, reach, pack_format), windows, np.array(sources, dtype=np.int64))


def find_window(source: HandDataset, reach: Reach, index: int) -> tuple[Window, tuple[int, int]]:
    """Return what is cut out of a hand's image, and the image's width and height.

    Args:
        source: the hands.
        reach: what is cut out of their images.
        index: of the hand.
    """
    sample = source.without_pixels(index)
    assert sample.crop is not None, "without pixels, the crop states the size"
    width, height = sample.crop.width, sample.crop.height
    is_left = sample.side == "left"
    return reach.window(sample.box, is_left=is_left, width=width, height=height), (width, height)
