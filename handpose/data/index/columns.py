"""The columns of an index, which grow on disk row by row in constant memory."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import numpy as np

from handpose.data.cache import ArrayFolderWriter
from handpose.skeleton import NUM_JOINTS

Schema = dict[str, tuple[type, tuple[int, ...]]]  # {column: (dtype, shape of a row)}

ANNOTATION: Schema = {
    "uv": (np.float32, (NUM_JOINTS, 2)),
    "uv_valid": (np.bool_, (NUM_JOINTS,)),
    "xyz": (np.float32, (NUM_JOINTS, 3)),
    "xyz_valid": (np.bool_, (NUM_JOINTS,)),
    "K": (np.float32, (3, 3)),
    "scale": (np.float32, ()),
}
HAND: Schema = {
    "image": (np.int32, ()),
    "annotation": (np.int32, ()),
    "split": (np.uint8, ()),
    "group": (np.int64, ()),
    "identity": (np.int64, ()),
    "box": (np.float32, (3,)),
    "is_left": (np.bool_, ()),
    "place": (np.int32, ()),
}
IMAGE: Schema = {"name": (np.uint8, ()), "name_end": (np.int64, ()), "size": (np.int32, (2,))}
_SCHEMA = ANNOTATION | HAND | IMAGE


class Columns:
    """The columns of `ANNOTATION`, `HAND` and `IMAGE` in a temporary folder; see `open_columns`."""

    def __init__(self, folder: Path, files: Mapping[str, BinaryIO]) -> None:
        self._folder = folder
        self._files = files

    def append(self, **row: Any) -> None:
        """Add a row to the named columns.

        Raises:
            ValueError: a value has another shape than its column.
        """
        for name, value in row.items():
            dtype, shape = _SCHEMA[name]
            array: np.ndarray = np.asarray(value, dtype=dtype)
            if array.shape != shape:
                raise ValueError(f"{name} has the shape {array.shape}; {shape} is expected")
            self._files[name].write(array.tobytes())

    def extend(self, name: str, rows: bytes) -> None:
        """Add rows to a column of scalars.

        Args:
            name: of the column.
            rows: their bytes.
        """
        self._files[name].write(rows)

    def read(self, name: str) -> np.ndarray:
        """Return all rows so far (N, *shape), as a memory map."""
        dtype, shape = _SCHEMA[name]
        self._files[name].flush()
        path = self._folder / name
        if path.stat().st_size == 0:
            return np.empty((0, *shape), dtype)
        return np.memmap(path, dtype=dtype, mode="r").reshape(-1, *shape)

    def save(self, writer: ArrayFolderWriter, keep: np.ndarray) -> None:
        """Write all columns as arrays.

        Args:
            keep: (N,) bool, which hands to write.
        """
        for name, (dtype, _) in _SCHEMA.items():
            rows = self.read(name)[keep] if name in HAND else self.read(name)
            writer.create(name, rows.shape, dtype)[...] = rows


@contextmanager
def open_columns(beside: Path) -> Iterator[Columns]:
    """Open empty columns in a temporary folder within `beside`; delete them at the end."""
    with (
        TemporaryDirectory(prefix=".index.", suffix=".partial", dir=beside) as folder,
        ExitStack() as stack,
    ):
        paths = {name: Path(folder, name) for name in _SCHEMA}
        files = {name: stack.enter_context(path.open("wb")) for name, path in paths.items()}
        yield Columns(Path(folder), files)
