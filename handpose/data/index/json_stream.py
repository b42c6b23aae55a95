"""Reads JSON files of any size, one record at a time.

The standard decoder reads each record. It takes NaN and Infinity as numbers, so that a source can
name the record that holds them. A key that occurs twice in an object is an error.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from handpose.files import LARGEST_STREAM, regular

_BLOCK = 1 << 20  # characters read at a time
_LONGEST = 1 << 24  # characters of one record; the meshes of YouTube 3D Hands have 1 << 16
_SPACE = re.compile(r"[ \t\r\n]*")

Keys = tuple[str | int, ...]


class JsonError(ValueError):
    """The file at `path` is not JSON, or is cut short; the message says where and why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(reason)
        self.path = path


def records(
    path: Path, *, depth: int, below: str | None = None, skip_shallower: bool = False
) -> Iterator[tuple[Keys, Any]]:
    """Read every value of a JSON file that is `depth` objects or lists deep, in order.

    Memory is that of one value, not of the file.

    Args:
        depth: with 2, `{"images": [a, b]}` gives (("images", 0), a) and (("images", 1), b).
        below: the only key of the top level to read; the values of the others, which may be less
            deep, are skipped. None: all.
        skip_shallower: skip a text or number that is less deep; else it is an error.

    Raises:
        JsonError: the file is missing, cut short or not JSON.
    """
    try:
        # Some tools write a byte order mark.
        with regular(path, most=LARGEST_STREAM).open(encoding="utf-8-sig") as file:
            text = _Text(path, file, skip_shallower)
            yield from text.walk((), depth, below)
            if rest := text.peek():
                raise text.error(f"{rest!r} after the end")
    except (OSError, UnicodeDecodeError) as error:
        raise JsonError(path, f"cannot be read as text ({error})") from error


def members(path: Path, key: str) -> Iterator[tuple[int, Any]]:
    """Read the members of a list in a JSON file, with their places; read no further.

    Args:
        key: of the list, at the top level.

    Raises:
        JsonError: as `records`, or there is no such list.
    """
    is_found = False
    for (found, place), value in records(path, depth=2, skip_shallower=True):
        if found == key:
            is_found = True
            yield int(place), value
        elif is_found:
            return
    if not is_found:
        raise JsonError(path, f"there is no list {key!r} in it, or it is empty")


class _Text:
    """The part of a JSON file that is being read; the standard decoder reads each value."""

    def __init__(self, path: Path, file: TextIO, skips_shallower: bool) -> None:
        self._path, self._file, self._skips_shallower = path, file, skips_shallower
        self._text, self._at, self._before = "", 0, 0
        self._decoder = json.JSONDecoder(object_pairs_hook=self._unique)

    def _unique(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise self.error(f"the key {twice!r} occurs twice")
        return values

    def error(self, what: str) -> JsonError:
        return JsonError(self._path, f"at character {self._before + self._at}: {what}")

    def walk(self, keys: Keys, depth: int, only: str | None = None) -> Iterator[tuple[Keys, Any]]:
        if depth == 0:
            yield keys, self._take_value()
            return
        if keys and self._skips_shallower and self.peek() not in "{[":
            self._take_value()
            return
        is_object = self._take("{[") == "{"
        end = "}" if is_object else "]"
        seen: set[str] = set()
        place = 0
        at_end = self.peek() == end and bool(self._take(end))
        while not at_end:
            key = self._take_key(seen) if is_object else place
            if only is None or key == only:
                yield from self.walk((*keys, key), depth - 1)
            else:
                self._take_value()
            place += 1
            at_end = self._take("," + end) == end
        if only is not None and only not in seen:
            raise JsonError(self._path, f"there is no {only!r} in it")

    def _take_key(self, seen: set[str]) -> str:
        key = self._take_value()
        if not isinstance(key, str):
            raise self.error(f"keys must be strings, found {key!r}")
        if key in seen:
            raise self.error(f"the key {key!r} occurs twice")
        seen.add(key)
        self._take(":")
        return key

    def _read_more(self) -> bool:
        """Drop what was taken and read a block, at least as long as the rest; False at the end."""
        kept = self._text[self._at :]
        if len(kept) > _LONGEST:
            raise self.error(f"a value of more than {_LONGEST:,} characters")
        block = self._file.read(max(_BLOCK, len(kept)))
        self._before += self._at
        self._text, self._at = kept + block, 0
        return bool(block)

    def peek(self) -> str:
        """Return the next character that is not space; "" at the end."""
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_more():
                return ""

    def _take(self, expected: str) -> str:
        """Return the next character; raises unless it is expected."""
        found = self.peek()
        if found and found in expected:
            self._at += 1
            return found
        wanted = " or ".join(expected)
        if not found:
            raise self.error(f"the file is cut short, {wanted} is missing")
        raise self.error(f"{wanted} expected, {found!r} found")

    def _take_value(self) -> Any:
        if not self.peek():
            raise self.error("the file is cut short, a value is missing")
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._read_more():
                    raise self.error(f"the file is cut short or not JSON ({error.msg})") from None
                continue
            except RecursionError:
                raise self.error("nested too deeply") from None
            except ValueError as error:  # more digits than an int may have
                raise error if isinstance(error, JsonError) else self.error(str(error)) from None
            # A number may continue in the next block.
            if end < len(self._text) or not self._read_more():
                self._at = min(end, len(self._text))
                return value


def known(table: Mapping[Any, Any], key: Any, what: str) -> Any:
    """Look up a record of another table.

    Args:
        table: {key: record}.
        key: of the record.
        what: name of the table in the error.

    Raises:
        ValueError: there is no such key.
    """
    if key not in table:
        shown = "/".join(key) if isinstance(key, tuple) else key
        raise ValueError(f"there is no {what} {shown}")
    return table[key]
