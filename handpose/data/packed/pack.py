"""Reads a pack. N hands, crops in slots of P x Q px.

<address>/
  pack.json     what it holds, and the checksum of each block of hands
  pixels.bin    raw: N slots (P, Q, 3) uint8, each crop in its upper left; jpeg: N files
  hands/        arrays: the map, the size and the source's size of each crop; where it ends
"""

import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handpose.augment.pixels import new_image, reuses_memory, with_fourth
from handpose.data.cache import ArrayFolder, find_corruption
from handpose.data.images import decode_pixels
from handpose.data.packed.plan import CHANNELS, RAW
from handpose.records import Crop

DESCRIPTION, PIXELS, HANDS = "pack.json", "pixels.bin", "hands"
_BYTES_AT_ONCE = 1 << 24


class Block(NamedTuple):
    """The hands that one checksum covers."""

    first: int  # hand
    end: int
    start: int  # byte
    num_bytes: int
    checksum: int  # CRC-32


class Pack:
    """A complete pack. Pickles as its path, so that a data worker opens the same files.

    Args:
        folder: of the pack.

    Raises:
        ValueError: it is missing or its description is corrupt.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            content = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
            self.description: dict[str, Any] = content["description"]
            self.slot: tuple[int, int] = tuple(content["slot"])
            self.blocks = [Block(*block) for block in content["blocks"]]
            hands = ArrayFolder(folder / HANDS)
            self._affines, self.sizes, self._sources, self._ends = (
                hands[name] for name in ("affine", "size", "source", "end")
            )
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{folder}: not a complete pack ({error})") from error
        self._file: int | None = None

    def __reduce__(self) -> tuple[type["Pack"], tuple[Path]]:
        return Pack, (self.folder,)

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def is_raw(self) -> bool:
        """Whether crops are stored uncompressed, in slots of one size."""
        return self.description["format"][0] == RAW

    @property
    def bytes_each(self) -> int:
        """Bytes of a slot."""
        return self.slot[0] * self.slot[1] * CHANNELS

    @property
    def num_bytes(self) -> int:
        """Bytes of all crops as they are stored."""
        return int(self._ends[-1])

    def crop(self, place: int) -> Crop:
        """Return where the crop of a hand lies in its source image."""
        width, height = self._sources[place].tolist()
        return Crop(np.array(self._affines[place]), width, height)

    def image(self, place: int) -> np.ndarray:
        """Read the crop of a hand, (H, W, 3) uint8.

        Inside `reusing_memory`, it comes as the first three channels of four.
        """
        width, height = self.sizes[place].tolist()
        if self.is_raw:
            rows = _new_rows(height, self.slot[1])
            self._read_into(rows, place * self.bytes_each)
            crop = rows[:, :width]
            return with_fourth(crop)[..., :CHANNELS] if reuses_memory() else crop
        start = int(self._ends[place - 1]) if place else 0
        content = np.empty(int(self._ends[place]) - start, np.uint8)
        self._read_into(content, start)
        try:
            return decode_pixels(content, height, width)
        except ValueError as error:
            raise self._corrupt(f"hand {place} cannot be decoded ({error})") from error

    def pixels(self, places: np.ndarray) -> np.ndarray:
        """Read crops (N, P, Q, 3) uint8, each in the upper left of its slot, else 0.

        Args:
            places: (N,) of the hands in their split.
        """
        slots = np.empty((len(places), *self.slot, CHANNELS), np.uint8)
        for slot, place in zip(slots, places.tolist(), strict=True):
            if self.is_raw:
                self._read_into(slot, place * self.bytes_each)
            else:
                image = self.image(place)
                slot[image.shape[0] :], slot[:, image.shape[1] :] = 0, 0
                slot[: image.shape[0], : image.shape[1]] = image
        return slots

    def _read_into(self, target: np.ndarray, start: int) -> None:
        """Read bytes of the file at once: the page faults of a memory map cost more when cold."""
        try:
            if self._file is None:
                self._file = os.open(self.folder / PIXELS, os.O_RDONLY)
            found = os.preadv(self._file, [target.data.cast("B")], start)
        except OSError as error:
            raise self._corrupt(f"{PIXELS} cannot be read ({error.strerror})") from error
        if found < target.nbytes:
            raise self._corrupt(f"{PIXELS} ends before byte {start + target.nbytes:,}")

    def _corrupt(self, reason: str) -> ValueError:
        return ValueError(f"{self.folder}: {reason}. {self.advice}")

    @property
    def advice(self) -> str:
        """What to do with a corrupt pack."""
        return (
            f"Delete it (handpose pack --delete {self.folder.name}), then pack again with the same "
            "overrides, or set dataset.packed=false"
        )

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            os.close(self._file)  # type: ignore[arg-type]


def _new_rows(height: int, width: int) -> np.ndarray:
    """Return an uninitialised array (H, W, 3) uint8, inside `reusing_memory` in used memory."""
    length = height * width * CHANNELS
    memory = new_image(1, -(-length // 4)).reshape(-1)
    return memory[:length].reshape(height, width, CHANNELS)


def find_fault(folder: Path) -> str | None:
    """Return None for a complete pack, "" for a missing one, or how it is corrupt.

    Reads no pixels.
    """
    if not os.path.lexists(folder):
        return ""
    try:
        pack = Pack(folder)
        size = (folder / PIXELS).stat().st_size
    except (ValueError, OSError) as error:
        return str(error)
    if size != pack.num_bytes:
        return f"{PIXELS} has {size:,} bytes, and {pack.num_bytes:,} are expected"
    return find_corruption(folder / HANDS, checksums=False)


def corrupt_parts(pack: Pack) -> Iterator[str | None]:
    """Compare every checksum; yield for each part None or how it is corrupt, with its hands."""
    yield find_corruption(pack.folder / HANDS, checksums=True)
    with (pack.folder / PIXELS).open("rb") as file:
        for number, block in enumerate(pack.blocks):
            file.seek(block.start)
            if checksum_of(file, block.num_bytes) == block.checksum:
                yield None
            else:
                hands = f"hands {block.first:,} to {block.end - 1:,}"
                yield f"block {number:,} of {len(pack.blocks):,} ({hands}) has another checksum"


def checksum_of(file: Any, num_bytes: int) -> int | None:
    """Return the CRC-32 of the next bytes of a file; None if it ends before.

    Args:
        file: opened for reading bytes.
        num_bytes: how many.
    """
    crc = 0
    while num_bytes:
        content = file.read(min(num_bytes, _BYTES_AT_ONCE))
        if not content:
            return None
        crc, num_bytes = zlib.crc32(content, crc), num_bytes - len(content)
    return crc
