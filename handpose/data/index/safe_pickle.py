"""Reads pickles of plain values and numpy arrays, without executing anything in them.

A pickle is a program: `pickle.load` imports what it names and calls it. Here a small machine
without imports interprets its opcodes. The few names of numpy's arrays stand for functions of
`pickled_arrays.py`, and any other name is refused.

Admitted are None, booleans, numbers, texts, bytes, lists, tuples, dicts with keys that are texts or
integers, and arrays and scalars of numbers, booleans and texts. Each list, dict and nested tuple is
used once, and arrays again within limits, so the result is a tree in proportion to the file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from handpose.data.index.pickle_stream import STOP, Opcode, opcodes
from handpose.data.index.pickled_arrays import ADMITTED, NAMES, Calls, Name, Unfilled
from handpose.files import regular

_LARGEST = 1 << 29  # bytes of a file
_MOST_OPCODES = 1 << 23  # as many small objects take a gigabyte
_CONSTANTS = {"N": None, "\x88": True, "\x89": False}


class _Arguments(tuple[Any, ...]):
    """A tuple with something that is no value: for a call, or the state of an array."""


# In a tuple that is used twice, each of these would double with every further level.
_NESTING = (tuple, list, dict, np.ndarray)
_NO_VALUES = (Name, Unfilled, _Arguments, np.dtype)


def load_arrays(path: Path) -> Any:
    """Read a pickle of plain values and arrays. Texts of Python 2 are Latin-1, arrays read-only.

    Raises:
        ValueError: it cannot be read, or holds anything else: "path: reason".
    """
    try:
        content = regular(path, most=_LARGEST).read_bytes()
        return _Machine(len(content)).run(content)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: not a pickle of values and arrays: {error}") from error


class _Machine:
    """Interprets opcodes with a stack, a stack of marks and a memo.

    Args:
        size: of the file in bytes.
    """

    def __init__(self, size: int) -> None:
        self._calls = Calls(size)
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stack under each mark
        self._memo: dict[int, Any] = {}
        self._stateless: dict[int, int] = {}  # id of an array or dtype without state: its place

    def run(self, content: bytes) -> Any:
        """Return the value of a pickle."""
        for number, opcode in enumerate(opcodes(content)):
            if number > _MOST_OPCODES:
                raise ValueError(f"it has over {_MOST_OPCODES:,} steps")
            if opcode.code != STOP:
                _STEPS[opcode.code](self, opcode)
        return _value(self._pop())

    def _pop(self) -> Any:
        if not self._stack:
            raise ValueError("it takes a value that is not there")
        return self._stack.pop()

    def _pop_mark(self) -> list[Any]:
        if not self._below:
            raise ValueError("it takes a mark that is not there")
        items, self._stack = self._stack, self._below.pop()
        return items

    def _last(self, kind: type) -> Any:
        if not self._stack or type(self._stack[-1]) is not kind:
            raise ValueError(f"it fills a {kind.__name__} that is not there")
        return self._stack[-1]

    def skip(self, opcode: Opcode) -> None:
        """Ignore the protocol and frames."""

    def push(self, opcode: Opcode) -> None:
        self._stack.append(_CONSTANTS.get(opcode.code, opcode.argument))

    def mark(self, opcode: Opcode) -> None:
        self._below.append(self._stack)
        self._stack = []

    def put(self, opcode: Opcode) -> None:
        value = self._pop()
        self._stack.append(value)
        place = len(self._memo) if opcode.argument is None else opcode.argument
        self._memo[place] = value
        if isinstance(value, Unfilled | np.dtype):
            self._stateless[id(value)] = place

    def get(self, opcode: Opcode) -> None:
        if opcode.argument not in self._memo:
            raise ValueError(f"it refers to {opcode.argument}, which is not there")
        value = self._memo[opcode.argument]
        is_nested = isinstance(value, tuple) and any(isinstance(item, _NESTING) for item in value)
        if is_nested or isinstance(value, list | dict | Unfilled):
            raise ValueError(f"it uses one {_kind(value)} twice, or within itself")
        if isinstance(value, np.ndarray):
            self._calls.spend(value.nbytes)
        self._stack.append(value)

    def new_list(self, opcode: Opcode) -> None:
        items = self._pop_mark() if opcode.code == "l" else []
        self._stack.append([_value(item) for item in items])

    def extend_list(self, opcode: Opcode) -> None:
        items = self._pop_mark() if opcode.code == "e" else [self._pop()]
        self._last(list).extend(_value(item) for item in items)

    def new_tuple(self, opcode: Opcode) -> None:
        if opcode.code == "t":
            items = self._pop_mark()
        else:
            items = [self._pop() for _ in range(")\x85\x86\x87".index(opcode.code))][::-1]
        is_call = any(isinstance(item, _NO_VALUES) for item in items)
        self._stack.append(_Arguments(items) if is_call else tuple(items))

    def new_dict(self, opcode: Opcode) -> None:
        items = self._pop_mark() if opcode.code == "d" else []
        self._stack.append({})
        self._fill_dict(items)

    def extend_dict(self, opcode: Opcode) -> None:
        self._fill_dict(
            self._pop_mark() if opcode.code == "u" else [self._pop(), self._pop()][::-1]
        )

    def _fill_dict(self, items: list[Any]) -> None:
        target = self._last(dict)
        if len(items) % 2:
            raise ValueError("a key is without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # The hash of a nested tuple can end the process, or never end.
            if type(key) not in (str, int):
                raise ValueError(f"a key of a dict is a {_kind(key)}, not a text or an integer")
            target[key] = _value(value)

    def name(self, opcode: Opcode) -> None:
        name = opcode.argument or (self._pop(), self._pop())[::-1]
        if not all(isinstance(part, str) for part in name):
            raise ValueError("a name is not a text")
        if name not in NAMES:
            raise ValueError(f"it names {'.'.join(name)[:200]}; {ADMITTED}")
        self._stack.append(NAMES[name])

    def call(self, opcode: Opcode) -> None:
        arguments, name = self._pop(), self._pop()
        if not isinstance(name, Name) or not isinstance(arguments, tuple):
            raise ValueError(f"it calls a {_kind(name)}; {ADMITTED}")
        self._stack.append(self._calls.call(name, arguments))

    def build(self, opcode: Opcode) -> None:
        state, old = self._pop(), self._pop()
        new = self._calls.with_state(old, state)
        self._stack.append(new)
        if (place := self._stateless.pop(id(old), None)) is not None:
            self._memo[place] = new


def _value(value: Any) -> Any:
    if isinstance(value, _NO_VALUES):
        raise ValueError(f"it uses {_kind(value)} as a value; {ADMITTED}")
    return value


def _kind(value: Any) -> str:
    return type(value).__name__.strip("_").lower()


_STEPS: dict[str, Callable[[_Machine, Opcode], None]] = {
    code: step
    for codes, step in (
        ("N\x88\x89IJKLMFG\x8a\x8bSTUVX\x8c\x8dBC\x8e\x96", _Machine.push),
        ("(", _Machine.mark),
        ("\x80\x95", _Machine.skip),
        ("pqr\x94", _Machine.put),
        ("ghj", _Machine.get),
        ("]l", _Machine.new_list),
        ("ae", _Machine.extend_list),
        (")t\x85\x86\x87", _Machine.new_tuple),
        ("}d", _Machine.new_dict),
        ("su", _Machine.extend_dict),
        ("c\x93", _Machine.name),
        ("R", _Machine.call),
        ("b", _Machine.build),
    )
    for code in codes
}
