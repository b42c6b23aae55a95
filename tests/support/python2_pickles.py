"""Pickles of plain values and arrays as Python 2 writes them, in protocol 2: texts are bytes."""

import struct
from typing import Any

import numpy as np

_LITTLE_ENDIAN = 3  # version of the state of a dtype


def python2_pickle(value: Any) -> bytes:
    """What `cPickle.dumps(value, 2)` wrote, without its memo."""
    return b"\x80\x02" + _written(value) + b"."


def _written(value: Any) -> bytes:
    if value is None:
        return b"N"
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, str | bytes):
        return _text(value if isinstance(value, bytes) else value.encode())
    if isinstance(value, dict):
        items = b"".join(_written(part) for item in value.items() for part in item)
        return b"}(" + items + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(map(_written, value)) + b"e"
    if isinstance(value, tuple):
        return b"(" + b"".join(map(_written, value)) + b"t"
    return _array(np.asarray(value))


def _text(data: bytes) -> bytes:
    if len(data) < 256:
        return b"U" + bytes([len(data)]) + data
    return b"T" + struct.pack("<i", len(data)) + data


def _array(array: np.ndarray) -> bytes:
    code = array.dtype.str[1:]
    order = "|" if array.dtype.itemsize == 1 else "<"
    dtype = b"cnumpy\ndtype\n" + _written((code, 0, 1)) + b"R"
    dtype += _written((_LITTLE_ENDIAN, order, None, None, None, -1, -1, 0)) + b"b"
    content = _text(np.ascontiguousarray(array).tobytes())
    if array.ndim == 0:
        return b"cnumpy.core.multiarray\nscalar\n(" + dtype + content + b"tR"
    state = b"(K\x01" + _written(array.shape) + dtype + b"\x89" + content + b"t"
    head = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + _written((0,))
    return head + _written("b") + b"tR" + state + b"b"
