"""The one way to open and to name a file that a user brings.

A device never ends, a pipe without a writer never begins, and a file of gigabytes under an image's
name takes all memory. They are told by their status, before anything is opened.
"""

import errno
import stat
from pathlib import Path

# Bytes. Of files that are read whole:
LARGEST_IMAGE = 1 << 29  # 100 megapixels without compression, and some
LARGEST_TEXT = 1 << 28  # configurations, results, small tables
LARGEST_TABLE = 1 << 32  # rows of a manifest, some four million
LARGEST_WEIGHTS = 1 << 33
# Of files that are read piece by piece, or mapped:
LARGEST_STREAM = 1 << 38

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


class NotReadError(OSError):
    """A file is none that is read; says why, as its `strerror` does."""

    def __str__(self) -> str:
        return str(self.strerror)


def shown(name: str) -> str:
    """Returns a file's name, with escapes in the place of bytes that are not UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()


def regular(path: Path, *, most: int) -> Path:
    """Returns `path`, if it is (or links to) a regular file of at most `most` bytes.

    Raises:
        OSError: it is missing, something else, or larger; `strerror` says which.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise NotReadError(errno.EINVAL, f"it is {kind}, not a regular file")
    if status.st_size > most:
        raise NotReadError(errno.EFBIG, f"{status.st_size:,} bytes; at most {most:,} are read")
    return path
