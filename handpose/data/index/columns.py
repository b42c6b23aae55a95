"""Columns that grow on disk row by row, so that memory does not grow with the dataset."""

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from handpose.data.array_folder import ArrayFolderWriter

_BLOCK = 1 << 16  # rows copied at a time

Schema = dict[str, tuple[type, tuple[int, ...]]]


class Columns:
    """Named columns of the rows' dtype and shape, in a temporary folder until published.

    Args:
        schema: {column: (dtype, shape of a row)}.
        beside: the folder in whose file system the temporary one is made.
    """

    def __init__(self, schema: Schema, *, beside: Path) -> None:
        self.schema = schema
        self._folder = Path(tempfile.mkdtemp(prefix=".index.", suffix=".partial", dir=beside))
        self._files: dict[str, BinaryIO] = {
            name: (self._folder / name).open("wb") for name in schema
        }

    def __enter__(self) -> "Columns":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for file in self._files.values():
            file.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def append(self, **row: Any) -> None:
        """One more row of the columns named.

        Raises:
            ValueError: a value has not its column's shape.
        """
        for name, value in row.items():
            dtype, shape = self.schema[name]
            array: np.ndarray = np.asarray(value, dtype=dtype)
            if array.shape != shape:
                raise ValueError(f"{name} has the shape {array.shape}; {shape} is expected")
            self._files[name].write(array.tobytes())

    def extend(self, name: str, rows: bytes) -> None:
        """Rows more, as their bytes, of a column of scalars."""
        self._files[name].write(rows)

    def read(self, name: str) -> np.ndarray:
        """All rows so far (N, *shape), as a memory map."""
        dtype, shape = self.schema[name]
        self._files[name].flush()
        path = self._folder / name
        if path.stat().st_size == 0:
            return np.empty((0, *shape), dtype)
        return np.memmap(path, dtype=dtype, mode="r").reshape(-1, *shape)

    def copy(self, name: str, writer: ArrayFolderWriter, keep: np.ndarray | None = None) -> None:
        """The column, or those of its rows that `keep` (N,) says, as an array of `writer`."""
        rows = self.read(name)
        keep = np.ones(len(rows), dtype=bool) if keep is None else keep
        out = writer.create(name, (int(keep.sum()), *rows.shape[1:]), self.schema[name][0])
        filled = 0
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK][keep[start : start + _BLOCK]]
            out[filled : filled + len(block)] = block
            filled += len(block)
        out.flush()  # type: ignore[attr-defined]  # a memory map
