"""Large JSON files, one record at a time: memory for a record, not for the file.

The standard decoder reads each record, so numbers may be NaN or Infinity, which readers of the
records then find and name. A key that stands twice in one object is an error, not a silent choice.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from handpose.files import LARGEST_STREAM, regular

_BLOCK = 1 << 20  # characters read at a time
_LONGEST = 1 << 24  # characters of one record; the meshes of YouTube 3D Hands take 1 << 16
_SPACE = " \t\r\n"

Keys = tuple[str | int, ...]


class JsonError(ValueError):
    """The file at `path` is not JSON, or not whole; says where and why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(reason)
        self.path = path


def records(path: Path, *, depth: int) -> Iterator[tuple[Keys, Any]]:
    """Yields (keys, value) for every value that lies `depth` objects or lists deep, in order.

    With `depth=2`, `{"images": [a, b]}` gives (("images", 0), a) and (("images", 1), b).

    Raises:
        JsonError: the file is missing, cut short or not JSON.
    """
    try:
        with regular(path, most=LARGEST_STREAM).open(encoding="utf-8") as file:
            text = _Text(path, file)
            yield from _walk(text, (), depth)
            if rest := text.next_character():
                raise text.error(f"{rest!r} after the end")
    except (OSError, UnicodeDecodeError) as error:
        raise JsonError(path, f"cannot be read as text ({error})") from error


def members(path: Path, key: str) -> Iterator[tuple[int, Any]]:
    """(place, value) of each member of the list at a file's top-level `key`; reads no further.

    Raises:
        JsonError: as `records`, or there is no such key.
    """
    is_found = False
    for (found, place), value in records(path, depth=2):
        if found == key:
            is_found = True
            yield int(place), value
        elif is_found:
            return
    if not is_found:
        raise JsonError(path, f"there is no list {key!r} in it")


def _walk(text: "_Text", keys: Keys, depth: int) -> Iterator[tuple[Keys, Any]]:
    if depth == 0:
        yield keys, text.take_value()
        return
    is_object = text.take("{", "[") == "{"
    end = "}" if is_object else "]"
    seen: set[str] = set()
    for place in _count_members(text, end):
        key: str | int = place
        if is_object:
            key = _take_key(text, seen)
        yield from _walk(text, (*keys, key), depth - 1)


def _count_members(text: "_Text", end: str) -> Iterator[int]:
    """Counts the members of an object or list, and takes the commas between them and its end."""
    place = 0
    if text.next_character() == end:
        text.take(end)
        return
    while True:
        yield place
        place += 1
        if text.take(",", end) == end:
            return


def _take_key(text: "_Text", seen: set[str]) -> str:
    key = text.take_value()
    if not isinstance(key, str):
        raise text.error(f"a key must be a text, not {key!r}")
    if key in seen:
        raise text.error(f"the key {key!r} stands twice")
    seen.add(key)
    text.take(":")
    return key


class _Text:
    """The part of a file that is being read."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self._path, self._file = path, file
        self._text, self._at, self._before, self._is_read = "", 0, 0, False
        self._decoder = json.JSONDecoder(object_pairs_hook=self._unique)

    def _unique(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise self.error(f"the key {twice!r} stands twice")
        return values

    def error(self, what: str) -> JsonError:
        """What is wrong at the present place."""
        return JsonError(self._path, f"at character {self._before + self._at}: {what}")

    def _read_on(self) -> bool:
        """Drops what was taken and reads a block more, as long again at least; False at the end."""
        kept = self._text[self._at :]
        if len(kept) > _LONGEST:
            raise self.error(f"a value of more than {_LONGEST:,} characters")
        block = self._file.read(max(_BLOCK, len(kept)))
        self._is_read = not block
        self._before += self._at
        self._text, self._at = kept + block, 0
        return bool(block)

    def next_character(self) -> str:
        """The next character that is not space, not taken; empty at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACE:
                    return self._text[self._at]
                self._at += 1
            if not self._read_on():
                return ""

    def take(self, *expected: str) -> str:
        """The next character, one of those expected."""
        found = self.next_character()
        if found not in expected or not found:
            wanted = " or ".join(expected)
            raise self.error(
                f"the file is cut short, {wanted} is missing"
                if not found
                else f"{wanted} expected, {found!r} found"
            )
        self._at += 1
        return found

    def take_value(self) -> Any:
        """The next whole value."""
        if not self.next_character():
            raise self.error("the file is cut short, a value is missing")
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._read_on():
                    raise self.error(f"the file is cut short or not JSON ({error.msg})") from None
                continue
            except RecursionError:
                raise self.error("nested too deeply") from None
            except ValueError as error:  # more digits than an int may have
                raise error if isinstance(error, JsonError) else self.error(str(error)) from None
            # A number may go on in the next block.
            if end == len(self._text) and not self._is_read:
                self._read_on()
                continue
            self._at = end
            return value
