"""The files that handpose writes with `torch.save`: what they hold, and how they stay whole.

    backbone.pt  {format_version, state_dict, decoder, meta}: the encoder after pre-training, in the
                 names of torchvision or timm, and the state of its decoder (None without one)
    encoder.pt   as backbone.pt, in the cache (see `SharedEncoder`)
    model.pt     {format_version, state_dict, meta}: the fine-tuned model, backbone and head
    *.ckpt       {format_version, seconds, means, ...}: Lightning's checkpoint of a stage, with the
                 seconds of training and the means of the epoch so far (see `EpochMeans`)

"meta" is {backbone, objective, head, seed, results}. Files without a format_version are older and
are read as version 1.

At the end stands a CRC-32 of the whole file, which zip readers take for a comment. The CRC-32 of
each record, which torch writes, covers neither the names of the records nor their places: of 20,000
single flipped bits, 838 left a file that it called whole and torch could not read, and 5 one that
was read as something else.

    what torch.save wrote, without its last two bytes | length of the comment | comment
"""

import errno
import os
import pickle
import re
import shutil
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import torch

from handpose.files import LARGEST_WEIGHTS, regular

# Raise it when a file changes in a way that an older handpose would misread.
FORMAT_VERSION = 1
LAST, PREVIOUS = "last.ckpt", "previous.ckpt"

_COMMENT = "crc32 {:08x}"
_PATTERN = re.compile(rb"..crc32 .{8}", re.DOTALL)
_LENGTH = len(_COMMENT.format(0))
_TAIL = 2 + _LENGTH
_NO_COMMENT = b"\0\0"  # the last two bytes before a comment is added
_CHUNK = 1 << 22


def versioned(content: dict[str, Any]) -> dict[str, Any]:
    """The content of a file, with the version of its format."""
    return {"format_version": FORMAT_VERSION, **content}


def refuse_newer(content: Any, path: Path) -> None:
    """Raise ValueError if a file has a format of a later version than this handpose reads."""
    version = content.get("format_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ValueError(
            f"{path} was written by a newer handpose (format {version}; this one reads up to "
            f"{FORMAT_VERSION}). Update handpose"
        )


def save(content: Any, path: Path) -> None:
    """`torch.save` so that `path` holds the old content or the new, never a part of one.

    Args:
        content: tensors and plain values.
        path: a `last.ckpt` there becomes `previous.ckpt`; any other file is replaced.

    Raises:
        OSError: the folder cannot be written, or the disk is full; names the path.
    """
    path.parent.mkdir(exist_ok=True)  # not its parents: a run whose directory is deleted ends
    partial = path.with_name(f".{path.name}.partial")
    try:
        _write(content, partial)
        if path.name == LAST and path.exists():
            path.replace(path.with_name(PREVIOUS))
        partial.replace(path)
        _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _write(content: Any, path: Path) -> None:
    """Onto the disk, and read back."""
    try:
        with path.open("wb") as file:
            save_with_checksum(content, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:  # torch's own writer raises RuntimeError
        written = path.stat().st_size if path.exists() else 0
        free = shutil.disk_usage(path.parent).free + written
        needed = num_bytes(content)
        if getattr(error, "errno", None) == errno.ENOSPC or free < needed:
            raise OSError(
                errno.ENOSPC,
                f"the disk is full: {needed:,} bytes needed, {free:,} free. The checkpoint before "
                "is kept; make room first",
                str(path),
            ) from error
        raise
    if problem := find_corruption(path):
        raise OSError(f"{path} does not read back ({problem}); is the disk failing?")


def _sync(folder: Path) -> None:
    """The names in a folder onto the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def num_bytes(content: Any) -> int:
    """What the tensors in nested dicts and lists take."""
    if isinstance(content, torch.Tensor):
        return content.numel() * content.element_size()
    if isinstance(content, dict):
        return sum(map(num_bytes, content.values()))
    return sum(map(num_bytes, content)) if isinstance(content, list | tuple) else 0


def load(path: Path) -> Any:
    """Tensors and plain values from `path`, onto the CPU; nothing in the file is executed.

    Raises:
        ValueError: the file is corrupt, missing or of a newer format, or holds what would have to
            be executed; names it.
    """
    if problem := find_corruption(path):
        raise ValueError(f"{path} is corrupt or missing ({problem})")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        objects = ", ".join(sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path)))
        raise ValueError(
            f"{path} is refused: beside tensors it holds {objects}, and reading that could run any "
            "code. None was run. handpose does not write such files; remove it"
        ) from None
    refuse_newer(content, path)
    return content


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


def find_corruption(path: Path) -> str | None:
    """None if the file is what was written, else what is wrong with it, in one line.

    In a file of another program only the CRC-32 of its records is checked.
    """
    try:
        with regular(path, most=LARGEST_WEIGHTS).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL))
            if not _PATTERN.fullmatch(tail := file.read()):
                return _find_corrupt_record(path)
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


def _find_corrupt_record(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            name = archive.testzip()
    except Exception as error:  # a corrupt name, flag or offset is an error of many kinds
        return f"{type(error).__name__}: {error}"
    return name and f"checksum of {name}"
