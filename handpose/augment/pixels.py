"""Images with an unused fourth channel, in memory that is used again.

OpenCV 5 warps four channels twice as fast as three, to the same pixels, and a JPEG decodes to four
channels as fast as to three. New memory for an image costs as much time as a view of it.

libjpeg-turbo writes past the caches to memory that is aligned to 32 bytes, and warps of it then
take 1.5 times as long. So images in used memory begin 16 bytes beside such places.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

_MOST_BLOCKS = 4
_LARGEST = 1 << 26  # bytes; a larger image gets memory of its own
_ALIGNED, _HALF_ALIGNED = 32, 16  # bytes


class _Memory(threading.local):
    """Blocks of one thread; one that no array lies in is used for the next image."""

    def __init__(self) -> None:
        self.in_use = False
        self.blocks: list[bytearray] = []

    def block(self, length: int) -> bytearray:
        """Returns a block of at least `length` bytes without an array in it."""
        idle = [place for place in range(len(self.blocks)) if self._is_idle(place)]
        for place in idle:
            if len(self.blocks[place]) >= length:
                return self.blocks[place]
        block = bytearray(length)
        if idle:
            self.blocks[idle[0]] = block
        elif len(self.blocks) < _MOST_BLOCKS:
            self.blocks.append(block)
        return block

    def _is_idle(self, place: int) -> bool:
        """An array, and every view of it, holds a reference to its block."""
        return _references(self.blocks, place) == _IDLE


def _references(blocks: list[bytearray], place: int) -> int:
    return sys.getrefcount(blocks[place])


_IDLE = _references([bytearray(1)], 0)
_memory = _Memory()


@contextmanager
def reusing_memory() -> Iterator[None]:
    """Lets images that are read inside lie in memory that is used again once they are gone."""
    before, _memory.in_use = _memory.in_use, True
    try:
        yield
    finally:
        _memory.in_use = before


def reuses_memory() -> bool:
    """Returns whether this is inside `reusing_memory`, in this thread."""
    return _memory.in_use


def new_image(height: int, width: int) -> np.ndarray:
    """Returns an uninitialised image (H, W, 4) uint8, inside `reusing_memory` in used memory.

    Args:
        height: H.
        width: W.
    """
    length = 4 * height * width
    if not _memory.in_use or not 0 < length <= _LARGEST:
        return np.empty((height, width, 4), dtype=np.uint8)
    block = _memory.block(length + _ALIGNED)
    start = _HALF_ALIGNED - _address(np.frombuffer(block, np.uint8)) % _ALIGNED
    return np.ndarray((height, width, 4), np.uint8, block, start % _ALIGNED)


def with_own_fourth(image: np.ndarray) -> np.ndarray:
    """Returns an RGB image with the fourth channel that lies beside it in memory, else as it is.

    Args:
        image: (H, W, 3) uint8, perhaps a part of the first three channels of four.

    Returns:
        (H, W, 3 or 4) uint8; never copied.
    """
    whole = image.base
    if not isinstance(whole, np.ndarray) or whole.shape[2:] != (4,) or image.shape[2:] != (3,):
        return image
    if image.strides != whole.strides or not whole.flags.c_contiguous:
        return image
    row, rest = divmod(_address(image) - _address(whole), whole.strides[0])
    column, channel = divmod(rest, 4)
    height, width = image.shape[:2]
    return image if channel else whole[row : row + height, column : column + width]


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def with_fourth(image: np.ndarray) -> np.ndarray:
    """Returns an image (H, W, 3 or 4) uint8 with four channels, copied if it has three."""
    if image.shape[2] == 4:
        return image
    return cv2.cvtColor(image, cv2.COLOR_RGB2RGBA, new_image(*image.shape[:2]))
