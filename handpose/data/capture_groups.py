"""Which pictures of a folder belong together, by their names alone: frames of a video, a session.

A cut between training and validation must not part pictures that are all but the same.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

_LEAST_GROUPS = 10  # else a cut of a tenth finds none
_LARGEST_SHARE = 0.25  # of the pictures in one group, else a cut may take most of them
_LEAST_BLOCKS = 20
_NUMBER = re.compile(r"(\d+)")


def group_by_name(names: Sequence[str]) -> tuple[list[str], str]:
    """The group of each picture, and in words what a group is.

    The coarsest of these that gives ten groups or more, of which none holds over a quarter of the
    pictures: top folders; folders; folders and names up to their last number (clip7_0001.jpg is of
    clip7_). Where none does, as in a flat folder of one camera's IMG_0001.jpg and so on, blocks of
    neighbours: names that share all but their last number, in the largest range of 2, 4, 8 ...
    numbers that gives twenty blocks. A name's block is of its own number, so a picture that comes
    or goes moves no other, unless the range itself changes (with twice as many pictures).

    Args:
        names: paths with slashes, relative to the root.
    """
    kinds: dict[str, Callable[[str], str]] = {
        "top folder": lambda name: PurePosixPath(name).parts[0] if "/" in name else "",
        "folder": lambda name: str(PurePosixPath(name).parent),
        "folder and name up to its last number": _without_last_number,
    }
    for kind, key in kinds.items():
        groups = [key(name) for name in names]
        sizes = Counter(groups)
        if len(sizes) >= _LEAST_GROUPS and max(sizes.values()) <= _LARGEST_SHARE * len(names):
            return groups, kind
    return _blocks(names)


def in_order(name: str) -> tuple[object, ...]:
    """A key that sorts numbers in names by value: 9.jpg before 10.jpg."""
    return tuple(int(part) if i % 2 else part for i, part in enumerate(_NUMBER.split(name)))


def _without_last_number(name: str) -> str:
    path = PurePosixPath(name)
    return str(path.parent / re.sub(r"\d+\D*$", "", path.stem))


def _blocks(names: Sequence[str]) -> tuple[list[str], str]:
    """Ranges of the last numbers: the largest of which there are enough, or each by itself."""
    split = [(_without_last_number(name), _last_number(name)) for name in names]
    size = 1 << max((number for _, number in split), default=0).bit_length()
    while True:
        groups = [(start, number // size) for start, number in split]
        sizes = Counter(groups)
        is_fine = len(sizes) >= _LEAST_BLOCKS and max(sizes.values()) <= _LARGEST_SHARE * len(names)
        if is_fine or size == 1:
            kind = f"neighbours, {len(sizes)} blocks of {size} numbers in a row"
            return [f"{start} {block}" for start, block in groups], kind
        size //= 2


def _last_number(name: str) -> int:
    found = _NUMBER.findall(PurePosixPath(name).stem)
    return int(found[-1]) if found else 0
