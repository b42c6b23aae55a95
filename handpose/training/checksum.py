"""A checksum of a whole file, which any zip reader takes for a comment.

The CRC-32 of each record, which torch writes, covers neither the names of the records nor where
they lie: of 20,000 single bits flipped anywhere, 838 left a file that it called whole and torch
could not read, and 5 one that was read as something else.

    what torch.save wrote, but for its last two bytes | length of the comment | comment
"""

import re
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import torch

from handpose.files import LARGEST_WEIGHTS, regular

_COMMENT = "crc32 {:08x}"
_PATTERN = re.compile(rb"..crc32 .{8}", re.DOTALL)
_LENGTH = len(_COMMENT.format(0))
_TAIL = 2 + _LENGTH
_NO_COMMENT = b"\0\0"  # what stands before one is added
_CHUNK = 1 << 22


class _Summing:
    """A file that is written from its beginning to its end, and the checksum of what was."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.crc = 0

    def write(self, data: Any) -> int:
        self.crc = zlib.crc32(data, self.crc)
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()


def save_with_checksum(content: Any, file: IO[bytes]) -> None:
    """`torch.save`, and the checksum after it."""
    summing: Any = _Summing(file)
    torch.save(content, summing)
    file.seek(-len(_NO_COMMENT), 2)
    file.write(_tail(summing.crc))


def _tail(crc: int) -> bytes:
    return struct.pack("<H", _LENGTH) + _COMMENT.format(crc).encode()


def find_damage(path: Path) -> str | None:
    """None if the file is what was written, else what is wrong with it, in one line.

    A file of others has the CRC-32 of its records alone.
    """
    try:
        with regular(path, most=LARGEST_WEIGHTS).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL))
            if not _PATTERN.fullmatch(tail := file.read()):
                return _find_damaged_record(path)
            file.seek(0)
            crc = _crc(file, size - _TAIL)
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return None if tail == _tail(crc) else "checksum"


def _crc(file: IO[bytes], size: int) -> int:
    crc = 0
    while size and (chunk := file.read(min(_CHUNK, size))):
        crc = zlib.crc32(chunk, crc)
        size -= len(chunk)
    return zlib.crc32(_NO_COMMENT, crc)


def _find_damaged_record(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            name = archive.testzip()
    except Exception as error:  # a damaged name, flag or offset is an error of many kinds
        return f"{type(error).__name__}: {error}"
    return name and f"checksum of {name}"
