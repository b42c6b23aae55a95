"""Finds the images below a folder, their copies and their groups.

Nearly equal images must be on the same side of the validation cut. So frames of a video or session
form a capture group, by their names only.
"""

import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from handpose.data.index.collector import Collector
from handpose.files import LARGEST_IMAGE, regular, shown

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
FOUND = "images found"
_SHOWN = 5  # kinds of files that are not images
_LEAST_GROUPS = 10  # else a cut of a tenth finds none
_LARGEST_SHARE = 0.25  # of the images in one group, else a cut may take most of them
_LEAST_BLOCKS = 20
_NUMBER = re.compile(r"(\d+)")
# Roboflow's export of 07.jpg is 07_jpg.rf.<hash>.jpg, once for each augmented version.
_ROBOFLOW = re.compile(r"\.rf\.\w+(?=\.\w+$)")


def find_images(collector: Collector, root: Path, *, apart_from: str | None) -> list[str]:
    """Find the images below a folder, as paths in natural order; other files are counted.

    Args:
        apart_from: a known file that is not an image.
    """
    names: list[str] = []
    others: Counter[str] = Counter()
    for folder, files in _walk(collector, root):
        for file in files:
            name, suffix = (folder / file).as_posix(), Path(file).suffix.lower()
            if suffix in SUFFIXES:
                names.append(name)
            elif name != apart_from:
                others[shown(suffix) or "without a suffix"] += 1
    kinds = ", ".join(suffix for suffix, _ in others.most_common(_SHOWN))
    collector.counts[f"files that are not images ({kinds}), left out"] += others.total()
    collector.counts[FOUND] = len(names)
    collector.counts = +collector.counts  # drops zeros
    return sorted(names, key=natural_order)


def _walk(collector: Collector, root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield (folder below the root, its visible files); links are not followed."""

    def unreadable(error: OSError) -> None:
        name = Path(error.filename).relative_to(root).as_posix()
        collector.problem(name, f"the folder cannot be read ({error.strerror})")

    for path, folders, files in os.walk(root, onerror=unreadable):
        hidden = {name for name in [*folders, *files] if name.startswith(".")}
        links = {name for name in folders if (Path(path) / name).is_symlink()} - hidden
        collector.counts["hidden files and folders, left out"] += len(hidden)
        collector.counts["links to folders, not followed"] += len(links)
        folders[:] = [name for name in folders if name not in hidden]
        yield Path(path).relative_to(root), [name for name in files if name not in hidden]


def find_copies(root: Path, names: list[str]) -> set[str]:
    """Find images whose content an earlier one has; reads only files of equal size.

    Args:
        root: of the images.
        names: their paths below it.
    """
    sizes: dict[int, list[str]] = defaultdict(list)
    for name in names:
        path = root / name
        sizes[path.stat().st_size if path.exists() else 0].append(name)
    copies: set[str] = set()
    for size, same in sizes.items():
        seen: set[bytes] = set()
        for name in same if size and len(same) > 1 else ():
            digest = _digest(root / name)
            copies |= {name} if digest in seen else set()
            seen.add(digest)
    return copies


def _digest(path: Path) -> bytes:
    """Return a digest of the content; of the name if the file cannot be read."""
    try:
        return hashlib.sha256(regular(path, most=LARGEST_IMAGE).read_bytes()).digest()
    except OSError:
        return str(path).encode()


def natural_order(name: str) -> tuple[object, ...]:
    """Return a sort key that compares numbers in names by value: 9.jpg before 10.jpg."""
    return tuple(int(part) if i % 2 else part for i, part in enumerate(_NUMBER.split(name)))


def group_by_name(names: Sequence[str]) -> tuple[list[str], str]:
    """Return the capture group of each image, and what kind of group it is.

    Groups are the coarsest of these that gives ten groups or more, none with over a quarter of the
    images: top folders; folders; folders and names up to their last number (clip7_0001.jpg is of
    clip7_). A flat folder of one camera's IMG_0001.jpg and so on has none of these. It is divided
    into blocks of consecutive numbers, the largest of 2, 4, 8 ... numbers that give twenty blocks.
    A block depends on an image's own number, so an added or deleted image moves no other, unless
    the size of the blocks changes (with twice as many images).

    Args:
        names: paths with slashes, relative to the root.
    """
    names = [_ROBOFLOW.sub("", name) for name in names]  # a hash hides the number of a frame
    kinds: dict[str, Callable[[str], str]] = {
        "top folder": lambda name: PurePosixPath(name).parts[0] if "/" in name else "",
        "folder": lambda name: str(PurePosixPath(name).parent),
        "folder and name up to its last number": _without_last_number,
    }
    for kind, key in kinds.items():
        groups = [key(name) for name in names]
        if _are_enough(groups, _LEAST_GROUPS):
            return groups, kind
    return _blocks(names)


def _are_enough(groups: list[str], least: int) -> bool:
    sizes = Counter(groups)
    return len(sizes) >= least and max(sizes.values()) <= _LARGEST_SHARE * len(groups)


def _without_last_number(name: str) -> str:
    path = PurePosixPath(name)
    return str(path.parent / re.sub(r"\d+\D*$", "", path.stem))


def _blocks(names: Sequence[str]) -> tuple[list[str], str]:
    """Return the largest number blocks that give enough groups, else one image each."""
    numbers = [int(([0, *_NUMBER.findall(PurePosixPath(name).stem)])[-1]) for name in names]
    starts = [_without_last_number(name) for name in names]
    size = 1 << max(numbers, default=0).bit_length()
    while True:
        pairs = zip(starts, numbers, strict=True)
        groups = [f"{start} {number // size}" for start, number in pairs]
        if _are_enough(groups, _LEAST_BLOCKS) or size == 1:
            return groups, f"neighbours, {len(set(groups))} blocks of {size} numbers in a row"
        size //= 2
