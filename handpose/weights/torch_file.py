"""Read and write the files of `torch.save`, with format version and checksum.

    backbone.pt  {format_version, state_dict, decoder, meta}: the encoder after pre-training, in the
                 names of torchvision or timm, and the state of its decoder (None without one)
    encoder.pt   as backbone.pt, in the cache (see `SharedEncoder`)
    model.pt     {format_version, state_dict, confidence, meta}: the fine-tuned model, backbone and
                 head. "confidence" is {calibration, note}: the tensors of a `Calibration` or None,
                 and why there is none
    *.ckpt       {format_version, seconds, means, ...}: Lightning's checkpoint of a stage, with the
                 seconds of training and the means of the epoch so far (see `EpochMeans`)

"meta" is {backbone, objective, head, seed, results, mean, std, provenance}: mean and std are those
of R, G and B in 0..255 that images are standardised by, ImageNet's in older files; the last is as
`handpose.pipeline.sessions` describes it, with the entry "encoder" for the provenance of an encoder
that another run has trained. Files without a format_version are older and
are read as version 1.

A CRC-32 of the whole file is appended as a zip comment. torch's CRC-32 per record does not cover
names and offsets of the records. Of 20,000 single bit flips it missed 843: torch could not read
838 of these files, and read wrong content from 5.

    output of torch.save without its last two bytes | length of the comment | comment
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

# Increase it when an older handpose would misread a new file.
FORMAT_VERSION = 1
LAST, PREVIOUS = "last.ckpt", "previous.ckpt"

_COMMENT = "crc32 {:08x}"
_PATTERN = re.compile(rb"..crc32 .{8}", re.DOTALL)
_LENGTH = len(_COMMENT.format(0))
_TAIL = 2 + _LENGTH
_NO_COMMENT = b"\0\0"  # the last two bytes before a comment is added
_CHUNK = 1 << 22


def versioned(content: dict[str, Any]) -> dict[str, Any]:
    """Add the format version to the content of a file."""
    return {"format_version": FORMAT_VERSION, **content}


def refuse_newer(content: Any, path: Path) -> None:
    """Raise ValueError if a file has a newer format than this handpose reads.

    Args:
        content: of the file.
        path: named in the error.
    """
    version = content.get("format_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ValueError(
            f"{path} was written by a newer handpose (format {version}; this one reads up to "
            f"{FORMAT_VERSION}). Update handpose"
        )


def save(content: Any, path: Path) -> None:
    """Write a file atomically with `torch.save`, with a checksum.

    Args:
        content: tensors and plain values.
        path: an existing `last.ckpt` becomes `previous.ckpt`; other files are replaced.

    Raises:
        OSError: the folder is not writable or the disk is full; names the path.
    """
    path.parent.mkdir(exist_ok=True)  # without parents: fail if the run directory was deleted
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
    """Write to disk and verify by reading back."""
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
                f"the disk is full: {needed:,} bytes needed, {free:,} free. The previous "
                "checkpoint is kept; free some space",
                str(path),
            ) from error
        raise
    if problem := find_corruption(path):
        raise OSError(f"{path} does not read back ({problem}); is the disk failing?")


def _sync(folder: Path) -> None:
    """Flush the directory entries to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def num_bytes(content: Any) -> int:
    """Count the bytes of the tensors in nested dicts and lists."""
    if isinstance(content, torch.Tensor):
        return content.numel() * content.element_size()
    if isinstance(content, dict):
        return sum(map(num_bytes, content.values()))
    return sum(map(num_bytes, content)) if isinstance(content, list | tuple) else 0


def load(path: Path) -> Any:
    """Read tensors and plain values onto the CPU without executing code in the file.

    Raises:
        ValueError: the file is corrupt, missing or of a newer format, or holds other objects.
    """
    if problem := find_corruption(path):
        raise ValueError(f"{path} is corrupt or missing ({problem})")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        objects = ", ".join(sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path)))
        raise ValueError(
            f"{path} is refused: besides tensors it holds {objects}, and loading that may run "
            "code. None was run. handpose does not write such files; remove it"
        ) from None
    refuse_newer(content, path)
    return content


class _Summing:
    """A sequential output file with a running checksum."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.crc = 0

    def write(self, data: Any) -> int:
        self.crc = zlib.crc32(data, self.crc)
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()


def save_with_checksum(content: Any, file: IO[bytes]) -> None:
    """Write `content` with `torch.save` and append the checksum.

    Args:
        content: tensors and plain values.
        file: empty, writable and seekable.
    """
    summing: Any = _Summing(file)
    torch.save(content, summing)
    file.seek(-len(_NO_COMMENT), 2)
    file.write(_tail(summing.crc))


def _tail(crc: int) -> bytes:
    return struct.pack("<H", _LENGTH) + _COMMENT.format(crc).encode()


def find_corruption(path: Path) -> str | None:
    """Return what is corrupt in a file, in one line; None if it is valid.

    In files of other programs, only the CRC-32 of each record is checked.
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
    except Exception as error:  # corrupt names, flags and offsets raise many kinds of errors
        return f"{type(error).__name__}: {error}"
    return name and f"checksum of {name}"
