"""The pictures below a folder, and which of them are copies."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from handpose.data.index.collector import Collector
from handpose.data.recordings import in_order
from handpose.regular import LARGEST_IMAGE, regular, shown

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
FOUND = "pictures found"
_SHOWN = 5  # kinds of files that are no pictures


def find_pictures(collector: Collector, root: Path, *, apart_from: str | None) -> list[str]:
    """Their paths below the root, in the order of names; what else is there is counted.

    Args:
        collector: takes the counts, and folders that cannot be read as problems.
        root: where to look, at any depth.
        apart_from: a file that is known, and no picture.
    """
    names: list[str] = []
    others: Counter[str] = Counter()
    counts = collector.counts
    for folder, files in _walk(collector, root):
        for file in files:
            name, suffix = (folder / file).as_posix(), Path(file).suffix.lower()
            if suffix in SUFFIXES:
                names.append(name)
            elif name != apart_from:
                others[shown(suffix) or "without a suffix"] += 1
    kinds = ", ".join(suffix for suffix, _ in others.most_common(_SHOWN))
    counts[f"files that are no pictures ({kinds}), left out"] += others.total()
    counts[FOUND] = len(names)
    collector.counts = +counts  # without those of nothing
    return sorted(names, key=in_order)


def _walk(collector: Collector, root: Path) -> Iterator[tuple[Path, list[str]]]:
    """(folder below the root, its files) without what is hidden, and without following links."""

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
    """Those whose content an earlier one has; only files of one size are read for it."""
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
    """Of the content; of the name where it cannot be read, which is said later."""
    try:
        return hashlib.sha256(regular(path, most=LARGEST_IMAGE).read_bytes()).digest()
    except OSError:
        return str(path).encode()
