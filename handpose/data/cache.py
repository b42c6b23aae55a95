"""The cache: folders of memory-mapped arrays, built once and checked at each use."""

import json
import logging
import os
import shutil
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock

_log = logging.getLogger(__name__)
_MANIFEST = "manifest.json"  # {name of an array: CRC-32 of its file}
_BLOCK = 1 << 22  # bytes read at a time


class ArrayFolder(Mapping[str, np.ndarray]):
    """The arrays of a folder as read-only memory maps, opened on first use.

    Pickles as its path, so that a data worker maps the same files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._names: dict[str, int] = json.loads((folder / _MANIFEST).read_text())
        self._opened: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        array = self._opened.get(name)
        if array is None:
            if name not in self._names:
                raise KeyError(name)
            array = self._opened[name] = _mapped(self.folder / f"{name}.npy")
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __reduce__(self) -> tuple[type["ArrayFolder"], tuple[Path]]:
        return ArrayFolder, (self.folder,)


def _mapped(path: Path) -> np.ndarray:
    try:
        # A plain array on the same map: each index into a `np.memmap` takes three times as long.
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except FileNotFoundError as error:
        raise ValueError(
            f"{path}: deleted while in use. Run the same command again to rebuild it"
        ) from error
    except (ValueError, EOFError) as error:
        raise ValueError(
            f"{path}: not a plain array ({error}). Delete its folder to rebuild it"
        ) from error


def find_corruption(folder: Path, *, checksums: bool) -> str | None:
    """Return how a folder of arrays is corrupt; None if it is valid.

    Args:
        checksums: read every array and compare its CRC-32.
    """
    try:
        manifest = json.loads((folder / _MANIFEST).read_text())
        if not isinstance(manifest, dict):
            return f"{_MANIFEST} is not a table"
        for name, checksum in manifest.items():
            _mapped(folder / f"{name}.npy")
            if checksums and _checksum(folder / f"{name}.npy") != checksum:
                return f"{name}.npy has another checksum"
    except (OSError, ValueError) as error:
        return str(error)
    return None


class ArrayFolderWriter:
    """Writes arrays into `folder`; see `writing`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._created: dict[str, np.memmap] = {}

    def create(self, name: str, shape: tuple[int, ...], dtype: type) -> np.memmap:
        """Create a zeroed writable array.

        Args:
            name: of the array.
            shape: of the array.
            dtype: of its elements.
        """
        path = self.folder / f"{name}.npy"
        array = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
        self._created[name] = array
        return array

    def finish(self) -> None:
        """Flush the arrays and write the manifest."""
        for array in self._created.values():
            array.flush()
        checksums = {name: _checksum(self.folder / f"{name}.npy") for name in self._created}
        with (self.folder / _MANIFEST).open("w") as file:
            json.dump(checksums, file)
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def writing(folder: Path) -> Iterator[ArrayFolderWriter]:
    """Write a folder of arrays atomically: in a temporary folder beside it, then rename."""
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.partial")
    partial.mkdir(parents=True)
    writer = ArrayFolderWriter(partial)
    try:
        yield writer
        writer.finish()
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _checksum(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            crc = zlib.crc32(block, crc)
    return crc


def ensure_built(
    folder: Path, find_problem: Callable[[], str | None], build: Callable[[], object]
) -> None:
    """Build a folder of the cache unless it is valid; one process at a time.

    A valid folder is only read, so a complete cache may be read-only.

    Args:
        folder: below the cache.
        find_problem: returns None for a valid folder, "" for one that is missing or out of date,
            or how it is corrupt. A corrupt one is set aside.
        build: creates the folder.

    Raises:
        OSError: the cache cannot be written. A note names the folder.
    """
    if find_problem() is None:
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if (problem := find_problem()) is not None:
                if problem:
                    set_aside(folder, problem)
                build()
    except OSError as error:
        error.add_note(f"building {folder}, below paths.cache")
        raise


def set_aside(path: Path, problem: str) -> None:
    """Rename a corrupt file, folder or link; delete the one set aside before.

    Args:
        path: of what is corrupt.
        problem: how it is corrupt, for the log.
    """
    aside = path.with_name(f"{path.name}.corrupt")
    if aside.is_dir() and not aside.is_symlink():
        shutil.rmtree(aside)
    else:
        aside.unlink(missing_ok=True)
    path.rename(aside)
    _log.warning("%s is corrupt (%s): moved to %s and built again", path, problem, aside.name)
