"""Reads single arrays of a .npz file: nothing is executed, and sizes are checked first."""

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from handpose.files import LARGEST_TEXT, regular

_HEADER = 1024  # bytes of a .npy file before its numbers, at most
_LONGEST = 8  # bytes of a number


def read_npz(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Read arrays of a .npz file, and no others of it.

    Args:
        shapes: {name of an array: its shape}.

    Raises:
        ValueError: one is missing, or is no array of such numbers: the reason, without the path.
    """
    try:
        regular(path, most=LARGEST_TEXT)
        with zipfile.ZipFile(path) as file:
            return {name: _read(file, name, shape) for name, shape in shapes.items()}
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror or error})") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"corrupt, or not a .npz file ({error})") from error


def _read(file: zipfile.ZipFile, name: str, shape: tuple[int, ...]) -> np.ndarray:
    if f"{name}.npy" not in file.NameToInfo:
        raise ValueError(f"it has no {name}")
    info, count = file.getinfo(f"{name}.npy"), int(np.prod(shape))
    if info.file_size > _HEADER + count * _LONGEST:
        raise ValueError(f"{name} has {info.file_size:,} bytes, too many for {_words(shape)}")
    content = io.BytesIO(file.read(info))
    try:
        version = np.lib.format.read_magic(content)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        found, is_fortran, dtype = read_header(content)
    except (ValueError, KeyError) as error:
        raise ValueError(f"{name} is not an array ({error})") from error
    if found != shape or dtype.kind not in "fiu":
        raise ValueError(f"{name} is {_words(found)} {dtype}, where {_words(shape)} are expected")
    numbers = content.read(count * dtype.itemsize)
    if len(numbers) != count * dtype.itemsize:
        raise ValueError(f"{name} is cut short")
    return np.frombuffer(numbers, dtype).reshape(shape, order="F" if is_fortran else "C")


def _words(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"
