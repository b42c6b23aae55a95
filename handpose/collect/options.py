"""What a collection depends on, beside its input."""

from typing import Any, NamedTuple

from handpose.detect import DEFAULT_NUM_HANDS


class Options(NamedTuple):
    """The options of a collection; the same ones resume it."""

    every: float = 1.0  # seconds: one frame of a video is taken for each such interval
    min_change: float = 8.0  # grey levels: a hand that differs less from recent ones is left out
    min_side: float = 32.0  # px of the source: hands with a smaller box are left out
    min_score: float = 0.6  # hands with a lower score get no landmarks
    size: int = 256  # px: longest side of a stored image
    margin: float = 0.5  # of a box's side, kept around it on each side of a crop
    frames: bool = False  # store whole frames instead of crops
    num_hands: int = DEFAULT_NUM_HANDS  # most hands in a frame
    thorough: bool = False  # the detector looks at parts of a frame too


# {option: lowest and highest value}
_BOUNDS: dict[str, tuple[float, float]] = {
    "every": (0.001, 86400),
    "min_change": (0, 255),
    "min_side": (1, 100_000),
    "min_score": (0, 1),
    "size": (32, 8192),
    "margin": (0, 10),
    "num_hands": (1, 1000),
}


def flag(name: str) -> str:
    """Return an option as it is typed."""
    return f"--{name.replace('_', '-')}"


def option_problems(options: Options) -> list[str]:
    """Return what is wrong with the values of options."""
    return [
        f"{flag(name)} {getattr(options, name):g}: must be from {low:g} to {high:g}"
        for name, (low, high) in _BOUNDS.items()
        if not low <= getattr(options, name) <= high
    ]


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return a line for each value that differs.

    Args:
        before: description of the collection in the folder.
        now: of the one that is to be done.
    """
    return [
        f"{name}: {before.get(name)} -> {now.get(name)}"
        for name in dict.fromkeys((*before, *now))
        if before.get(name) != now.get(name)
    ]
