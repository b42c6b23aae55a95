"""A folder of named arrays: written whole or not at all, checked when opened, memory-mapped."""

import json
import os
import shutil
import uuid
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

_MANIFEST = "manifest.json"
_BLOCK = 1 << 22


class ArrayFolder(Mapping[str, np.ndarray]):
    """The arrays of a folder, as read-only memory maps; pickled as its path, not its content.

    Each is opened when it is first asked for, a fifth of a millisecond.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._names: dict[str, int] = json.loads((folder / _MANIFEST).read_text())
        self._opened: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._opened:
            self._opened[name] = _mapped(self.folder / f"{name}.npy")
        return self._opened[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __reduce__(self) -> tuple[type["ArrayFolder"], tuple[Path]]:
        return ArrayFolder, (self.folder,)


def _mapped(path: Path) -> np.ndarray:
    """Raises ValueError where it is missing or no plain array; names the file."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise ValueError(
            f"{path}: deleted while in use; run the same command again to build it again"
        ) from error
    except (ValueError, EOFError) as error:
        raise ValueError(
            f"{path}: no plain array ({error}); delete its folder, which is made again"
        ) from error


def find_damage(folder: Path, *, checksums: bool) -> str | None:
    """How a folder of arrays is corrupt; None for one that is whole.

    Args:
        checksums: whether every array is read and compared with its CRC-32.
    """
    try:
        manifest = json.loads((folder / _MANIFEST).read_text())
        if not isinstance(manifest, dict):
            return f"{_MANIFEST} is no table"
        for name, checksum in manifest.items():
            _mapped(folder / f"{name}.npy")
            if checksums and _checksum(folder / f"{name}.npy") != checksum:
                return f"{name}.npy has another checksum"
    except (OSError, ValueError) as error:
        return str(error)
    return None


class ArrayFolderWriter:
    """Writes a folder of arrays beside its place; `publish` verifies nothing is left to flush and
    renames it there, replacing what was there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.partial")
        self.partial.mkdir(parents=True)
        self._names: list[str] = []

    def create(self, name: str, shape: tuple[int, ...], dtype: type) -> np.ndarray:
        """A zeroed writable memory map (`shape`, `dtype`)."""
        self._names.append(name)
        path = self.partial / f"{name}.npy"
        return np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)

    def publish(self) -> ArrayFolder:
        """Flush the arrays (the caller no longer writes) before calling."""
        checksums = {name: _checksum(self.partial / f"{name}.npy") for name in self._names}
        with (self.partial / _MANIFEST).open("w") as file:
            json.dump(checksums, file)
            file.flush()
            os.fsync(file.fileno())
        shutil.rmtree(self.folder, ignore_errors=True)
        self.partial.rename(self.folder)
        return ArrayFolder(self.folder)

    def discard(self) -> None:
        """Removes what was written so far."""
        shutil.rmtree(self.partial, ignore_errors=True)


def _checksum(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            crc = zlib.crc32(block, crc)
    return crc
