"""The keys of one level of a study's file; what is wrong is noted, all of it, not raised."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from handpose.config.refusal import did_you_mean, nearest
from handpose.config.study import override_problem

T = TypeVar("T")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Fields:
    """Reads keys, each of its kind; a key that is missing or wrong gives an empty value."""

    def __init__(self, content: Any, path: str, known: Sequence[str], problems: list[str]) -> None:
        self.content = content if isinstance(content, dict) else {}
        self.path = path
        self.problems = problems
        if not isinstance(content, dict):
            self.note("", f"expected the keys {', '.join(known)}")
        for key in self.content:
            if known and key not in known:
                self.note(key, f"no such key{did_you_mean(nearest(str(key), known))}")

    def note(self, key: str, what: str) -> None:
        """Remembers what is wrong with a key."""
        self.problems.append(f"{'.'.join(filter(None, (self.path, str(key))))}: {what}")

    def level(self, key: str, known: Sequence[str]) -> "Fields":
        """The keys below a key; any where `known` is empty."""
        path = f"{self.path}.{key}" if self.path else key
        return Fields(self.content.get(key, {}), path, known, self.problems)

    def text(self, key: str, *, default: str | None = None, among: Sequence[str] = ()) -> str:
        """A text, one of `among` where these are given; required without a default."""
        value = self.content.get(key, default)
        if value is None:
            self.note(key, "is missing")
        elif not isinstance(value, str) or not value.strip():
            self.note(key, f"expected a text, not {value!r}")
        elif among and value not in among:
            near = did_you_mean(nearest(value, among))
            self.note(key, f"{value}: expected one of {', '.join(among)}{near}")
        else:
            return value
        return ""

    def name(self, key: str) -> str:
        """A text that can be a folder's name."""
        value = self.text(key)
        if value and as_name(value) is None:
            self.note(key, f"{value}: expected letters, digits, '_', '.' and '-'")
        return value

    def whole(self, key: str) -> int:
        """A required whole number from 0 up."""
        value = as_whole(self.content.get(key))
        if value is None:
            self.note(key, f"expected a whole number, not {self.content.get(key)!r}")
        return value or 0

    def each(self, key: str, read: Callable[[Any], T | None], expected: str) -> tuple[T, ...]:
        """A required list of different values, each as `read` gives it (None: it is wrong)."""
        values = self.content.get(key)
        if not isinstance(values, list) or not values:
            self.note(key, f"expected a list of {expected}")
            return ()
        found = [read(value) for value in values]
        for value, given in zip(found, values, strict=True):
            if value is None:
                self.note(key, f"{given!r}: expected {expected}")
        right = tuple(value for value in found if value is not None)
        if len(set(right)) < len(right):
            self.note(key, "a value stands there twice")
        return right

    def overrides(self, key: str, ruled: Mapping[str, str]) -> tuple[str, ...]:
        """A list of KEY=VALUE, empty where it is left out; `ruled` keys are the study's own."""
        lines = self.content.get(key)
        if lines is None:
            return ()
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            self.note(key, "expected a list of KEY=VALUE")
            return ()
        for line in lines:
            if problem := override_problem(line, ruled):
                self.note(key, problem)
        return tuple(lines)

    def names(self, least: int) -> list[str]:
        """The keys of this level, which the user names."""
        for key in self.content:
            if as_name(key) is None:
                self.note(key, "expected a name of letters, digits, '_', '.' and '-'")
        if len(self.content) < least:
            self.note("", f"expected at least {least}")
        return [str(key) for key in self.content]


def as_name(value: Any) -> str | None:
    """A text that can be a folder's name."""
    return value if isinstance(value, str) and _NAME.fullmatch(value) else None


def as_whole(value: Any) -> int | None:
    """A whole number from 0 up."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def as_fraction(value: Any) -> float | None:
    """A number above 0, up to 1."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value <= 1 else None
