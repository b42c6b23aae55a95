"""Checks on a user's file before it is opened, how its name is shown, and whole writes.

A device never ends, a pipe without a writer blocks, and a huge file fills the memory. The file's
status tells all three.
"""

import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Size limits in bytes, of files that are read whole:
LARGEST_IMAGE = 1 << 29  # more than 100 megapixels without compression
LARGEST_TEXT = 1 << 28  # configurations, results, small tables
LARGEST_TABLE = 1 << 32  # rows of a manifest, about four million
LARGEST_WEIGHTS = 1 << 33
# Of files that are read in pieces or memory-mapped:
LARGEST_STREAM = 1 << 38

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


class NotReadError(OSError):
    """A file that must not be read; its text is its `strerror`."""

    def __str__(self) -> str:
        return str(self.strerror)


def shown(name: str) -> str:
    """Returns a file's name with escapes for bytes that are not UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()


def regular(path: Path, *, most: int) -> Path:
    """Returns `path` if it is, or links to, a regular file.

    Args:
        path: the file.
        most: largest size in bytes.

    Raises:
        OSError: it is missing, not a regular file, or larger; `strerror` says which.
    """
    _regular_size(path, most)
    return path


def _regular_size(path: Path, most: int) -> int:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise NotReadError(errno.EINVAL, f"it is {kind}, not a regular file")
    if status.st_size > most:
        raise NotReadError(errno.EFBIG, f"{status.st_size:,} bytes, the limit is {most:,}")
    return status.st_size


def read_regular(path: Path, *, most: int) -> bytes:
    """Reads a regular file, in half the time of `Path.read_bytes`.

    Args:
        path: the file.
        most: largest size in bytes.

    Raises:
        OSError: it is missing, not a regular file, or larger; `strerror` says which.
    """
    size = _regular_size(path, most)
    file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        content = os.read(file, size + 1)
    finally:
        os.close(file)
    return content if len(content) == size else path.read_bytes()  # it was being written


def read_json_object(path: Path) -> dict[str, Any]:
    """Reads a regular file that holds a JSON object.

    Raises:
        OSError, ValueError: it cannot be read, or holds something else.
    """
    content = json.loads(regular(path, most=LARGEST_TEXT).read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} is not a JSON object")
    return content


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a file beside `path` to write, which then replaces it: a reader finds whole files."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
