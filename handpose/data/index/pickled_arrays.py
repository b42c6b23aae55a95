"""What a pickle of numpy arrays calls, as functions that check their arguments.

numpy 1 and 2 write an array as a call of `_reconstruct`, whose result gets a state, or as a call of
`_frombuffer`. A dtype is a call with a state too. Numbers, booleans and texts are admitted, objects
and records are not.
"""

import math
import re
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

import numpy as np

ADMITTED = (
    "only numbers, texts, lists, dicts and numpy arrays of them are read; nothing is executed"
)
_MOST_DIMENSIONS = 32
_DTYPES = re.compile(r"b1|[iu][1248]|f[248]|c8|c16|[SU]\d{1,4}")


class Name(Enum):
    """A name that such a pickle needs."""

    RECONSTRUCT = auto()
    FROM_BUFFER = auto()
    SCALAR = auto()
    ARRAY = auto()
    DTYPE = auto()
    ENCODE = auto()
    BYTES = auto()


NAMES = {
    ("numpy", "ndarray"): Name.ARRAY,
    ("numpy", "dtype"): Name.DTYPE,
    # Bytes, as Python 3 writes them in the protocols of Python 2:
    ("_codecs", "encode"): Name.ENCODE,
    ("__builtin__", "bytes"): Name.BYTES,
} | {
    (f"numpy.{core}.{module}", name): meaning
    for core in ("core", "_core")
    for module, name, meaning in (
        ("multiarray", "_reconstruct", Name.RECONSTRUCT),
        ("multiarray", "scalar", Name.SCALAR),
        ("numeric", "_frombuffer", Name.FROM_BUFFER),
    )
}


class Unfilled:
    """An array before its state is set."""


class Calls:
    """Carries out the admitted calls.

    Args:
        size: of the file in bytes. All arrays together may take three times as much: the content of
            each is in the file, may be a text first, and may be used again.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._budget = 3 * size

    def call(self, name: Name, arguments: tuple[Any, ...]) -> Any:
        """Return the result of a call.

        Raises:
            ValueError, TypeError: the arguments are not those that numpy writes.
        """
        functions: dict[Name, Callable[..., Any]] = {
            Name.RECONSTRUCT: self._reconstruct,
            Name.FROM_BUFFER: self._array,
            Name.SCALAR: lambda dtype, data: self._array(data, dtype, (1,), "C")[0],
            Name.DTYPE: _dtype,
            Name.ENCODE: self._encode,
            Name.BYTES: lambda: b"",
        }
        if name not in functions:
            raise ValueError(f"it calls the class of arrays; {ADMITTED}")
        return functions[name](*arguments)

    def with_state(self, old: Any, state: Any) -> Any:
        """Return an array, or a dtype, with its state.

        Raises:
            ValueError, TypeError: it is something else, or the state is not one that numpy writes.
        """
        if isinstance(old, Unfilled):
            _, shape, dtype, is_fortran, data = state
            return self._array(data, dtype, shape, "F" if is_fortran else "C")
        if isinstance(old, np.dtype):
            _, order, *fields = state
            if order not in ("<", ">", "|", "=") or any(part is not None for part in fields[:3]):
                raise ValueError(f"it holds an array of records; {ADMITTED}")
            return old.newbyteorder(order)
        raise ValueError(f"it sets the state of a {type(old).__name__}; {ADMITTED}")

    def _reconstruct(self, kind: Any, shape: Any, typecode: Any) -> Unfilled:
        if kind is not Name.ARRAY or shape != (0,) or typecode not in ("b", b"b"):
            raise ValueError("it reconstructs an array that is not empty before its content")
        return Unfilled()

    def _encode(self, text: Any, encoding: Any) -> bytes:
        if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
            raise ValueError(f"it encodes something else than text; {ADMITTED}")
        self.spend(len(text))
        return text.encode("latin-1")

    def _array(self, data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
        if not isinstance(dtype, np.dtype) or not isinstance(data, str | bytes):
            raise ValueError("it holds an array without a dtype or without content")
        if not isinstance(shape, tuple) or len(shape) > _MOST_DIMENSIONS or order not in ("C", "F"):
            raise ValueError("it holds an array without a shape")
        extent = " x ".join(map(str, shape))[:200]
        if not all(type(n) is int and 0 <= n <= self._size for n in shape):
            raise ValueError(f"an array of {extent} is larger than the file")
        if math.prod(shape) * dtype.itemsize != len(data):
            raise ValueError(f"an array of {extent} {dtype} has {len(data)} bytes of content")
        self.spend(len(data))
        content = data.encode("latin-1") if isinstance(data, str) else data
        flat = np.frombuffer(content, dtype) if content else np.empty(0, dtype)
        return flat.reshape(shape, order=order)

    def spend(self, count: int) -> None:
        """Count bytes of arrays, also of one that is used again.

        Raises:
            ValueError: there are too many for the file.
        """
        self._budget -= count
        if self._budget < 0:
            raise ValueError("its arrays are larger than the file")


def _dtype(code: Any, *_: Any) -> np.dtype:
    if not isinstance(code, str) or not _DTYPES.fullmatch(code):
        raise ValueError(f"it holds an array of the dtype {str(code)[:50]}; {ADMITTED}")
    return np.dtype(code)
