"""Splits a pickle into its opcodes and their arguments. Nothing is imported or called.

Opcodes of values, containers, references and calls are known, of protocols 0 to 5. Texts of Python
2 are read as Latin-1, so every byte is kept.
"""

import codecs
import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

STOP = "."
_CUT = "it is cut short at byte {}"
# Fixed-size arguments: numbers, places in the memo, the protocol, the length of a frame.
_NUMBERS = {
    opcode: struct.Struct(layout)
    for opcode, layout in (
        ("J", "<i"),
        ("K", "<B"),
        ("M", "<H"),
        ("G", ">d"),
        ("h", "<B"),
        ("j", "<I"),
        ("q", "<B"),
        ("r", "<I"),
        ("\x80", "<B"),
        ("\x95", "<Q"),
    )
}
# Without an argument: constants, containers, marks, the memo, names, calls, the end.
_BARE = frozenset("N\x88\x89]ael)t\x85\x86\x87}dsu(\x94\x93Rb" + STOP)


class Opcode(NamedTuple):
    """One step of a pickle."""

    code: str  # one character, as in `pickletools.opcodes`
    argument: Any
    place: int  # byte of the file


def opcodes(content: bytes) -> Iterator[Opcode]:
    """Yield the opcodes up to the end of the pickle.

    Raises:
        ValueError: the content is cut short, or holds an opcode that plain values do not need.
    """
    place, code = 0, ""
    while code != STOP:
        start = place
        if start >= len(content):
            raise ValueError(_CUT.format(len(content)))
        code, argument, place = chr(content[start]), None, start + 1
        if number := _NUMBERS.get(code):
            (argument,), place = _unpack(content, place, number)
        elif code in _SIZED:
            layout, decode = _SIZED[code]
            (length,), place = _unpack(content, place, layout)
            data, place = _take(content, place, length)
            argument = decode(data)
        elif code in _LINES:
            line, place = _line(content, place)
            argument = _LINES[code](line)
        elif code == "c":
            (module, place), name = _line(content, place), b""
            name, place = _line(content, place)
            argument = (module.decode(), name.decode())
        elif code not in _BARE:
            raise ValueError(
                f"byte {start} is no step of a pickle of plain values and arrays ({content[start]})"
            )
        yield Opcode(code, argument, start)


def _take(content: bytes, place: int, length: int) -> tuple[bytes, int]:
    if not 0 <= length <= len(content) - place:
        raise ValueError(_CUT.format(len(content)))
    return content[place : place + length], place + length


def _unpack(content: bytes, place: int, layout: struct.Struct) -> tuple[tuple[Any, ...], int]:
    data, place = _take(content, place, layout.size)
    return layout.unpack(data), place


def _line(content: bytes, place: int) -> tuple[bytes, int]:
    end = content.find(b"\n", place)
    if end < 0:
        raise ValueError(_CUT.format(len(content)))
    return content[place:end], end + 1


def _integer(line: bytes) -> int | bool:
    """Protocol 0 writes booleans as 00 and 01."""
    return {b"00": False, b"01": True}.get(line, int(line.removesuffix(b"L")))


def _quoted(line: bytes) -> str:
    line = line.strip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise ValueError("a text without its quotes")
    return codecs.escape_decode(line[1:-1])[0].decode("latin-1")


def _long(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


def _latin(data: bytes) -> str:
    return data.decode("latin-1")


def _utf8(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


_LINES: dict[str, Callable[[bytes], Any]] = {
    "I": _integer,
    "L": _integer,
    "F": float,
    "S": _quoted,
    "V": lambda line: line.decode("raw-unicode-escape"),
    "g": int,
    "p": int,
}
# Arguments after their length in bytes.
_SIZED: dict[str, tuple[struct.Struct, Callable[[bytes], Any]]] = {
    opcode: (struct.Struct(layout), decode)
    for opcode, layout, decode in (
        ("\x8a", "<B", _long),
        ("\x8b", "<i", _long),
        ("T", "<i", _latin),
        ("U", "<B", _latin),
        ("X", "<I", _utf8),
        ("\x8c", "<B", _utf8),
        ("\x8d", "<Q", _utf8),
        ("B", "<I", bytes),
        ("C", "<B", bytes),
        ("\x8e", "<Q", bytes),
        ("\x96", "<Q", bytes),
    )
}
