"""Wording that every error message shares: values as they are typed, and the nearest names."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any


def written(value: Any) -> str:
    """Return a plain value as YAML and the command line write it."""
    if isinstance(value, list | tuple):
        return f"[{','.join(map(written, value))}]"
    if isinstance(value, float):
        return f"{value:.10g}"
    return (
        "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """Return up to three of `names` that are spelled most like `name`, best first.

    Names that are one slip away come first and alone, however short they are.
    """
    names = list(names)
    if slips := [other for other in names if _is_one_slip(name, other)]:
        return slips[:3]
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    ratios = {other: difflib.SequenceMatcher(None, name, other).ratio() for other in close}
    return [other for other in close if ratios[other] > ratios[close[0]] - 0.1]


def _is_one_slip(name: str, other: str) -> bool:
    """Whether one letter is left out, added or replaced, or two neighbours are swapped."""
    pairs = enumerate(zip(name, other, strict=False))
    start = next((place for place, (a, b) in pairs if a != b), min(len(name), len(other)))
    one, two = name[start:], other[start:]
    is_swapped = one[:2] == two[1::-1] and one[2:] == two[2:]
    return is_swapped or one[1:] == two[1:] or one[1:] == two or one == two[1:]


def did_you_mean(names: Sequence[str]) -> str:
    """Return `; did you mean a or b?`, or nothing without names."""
    return f"; did you mean {' or '.join(names)}?" if names else ""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type where it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
