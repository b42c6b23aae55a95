"""Files and folders that a run needs: what the user brings, and what it may write."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from omegaconf import DictConfig

from handpose.config.catalogue import REFERENCE, Catalogue
from handpose.config.positives import positives_problems
from handpose.config.refusal import did_you_mean, nearest
from handpose.config.source import class_value, documented_layout
from handpose.config.start import start_problems
from handpose.config.tree import lookup
from handpose.config.values import found_value

# Keys of a source that name a file of the user's.
_FILES = ("quarantine", "joint_regressor")


def stages(content: dict[str, Any]) -> list[str]:
    """The stages in use."""
    parts = {"pretrain": "objective._target_", "finetune": "head._target_"}
    return [stage for stage, key in parts.items() if lookup(content, key) is not None]


def folder_problems(cfg: DictConfig, content: dict[str, Any], catalogue: Catalogue) -> list[str]:
    """Missing data of the stages in use, missing weights, a cache that cannot be written, and
    positives that cannot be mined."""
    labels = dict.fromkeys(_source(content, f"{stage}.dataset") for stage in stages(content))
    parts = [part for label in labels for part in _parts(cfg, label)]
    unknown = [problem for label in labels for problem in _unknown_parts(cfg, label)]
    problems = [*unknown, *(_data_problem(cfg, label, catalogue) for label in parts)]
    problems += [_file_problem(cfg, f"{label}.{key}") for label in parts for key in _FILES]
    problems += start_problems(cfg)
    problems += positives_problems(cfg) if "pretrain" in stages(content) else []
    cache = found_value(cfg, "paths.cache")
    problems += [_cache_problem(cache)] if isinstance(cache, str) else []
    return [problem for problem in problems if problem]


def _source(content: dict[str, Any], path: str) -> str:
    """The key under which a stage's part is written: its own, or that of both stages."""
    value = lookup(content, path)
    match = REFERENCE.fullmatch(value) if isinstance(value, str) else None
    return match[1] if match else path


def _parts(cfg: DictConfig, label: str) -> list[str]:
    """The key of a source, or those of the sources that a mix takes."""
    sources, parts = found_value(cfg, f"{label}.sources"), found_value(cfg, f"{label}.parts")
    if not isinstance(sources, list) or not isinstance(parts, dict):
        return [label]
    return [f"{label}.parts.{name}" for name in sources if name in parts]


def _unknown_parts(cfg: DictConfig, label: str) -> list[str]:
    """A problem for each source of a mix that it does not know."""
    sources, parts = found_value(cfg, f"{label}.sources"), found_value(cfg, f"{label}.parts")
    if not isinstance(sources, list) or not isinstance(parts, dict):
        return []
    return [
        f"{label}.sources: there is no source {name}{did_you_mean(nearest(str(name), list(parts)))}"
        for name in sources
        if name not in parts
    ]


def _data_problem(cfg: DictConfig, label: str, catalogue: Catalogue) -> str | None:
    """A source whose files the user brings, and which are not there."""
    target, root = found_value(cfg, f"{label}._target_"), found_value(cfg, f"{label}.root")
    if not isinstance(target, str) or not isinstance(root, str):
        return None
    landmarks = class_value(target, "landmarks") or (found_value(cfg, f"{label}.file") or "",)
    near = None if _has_any(Path(root), landmarks) else _nearby(Path(root), landmarks)
    if near is not None:
        found = shlex.quote(f"{label}.root={near}")
        return f"{label}.root={root}: {target.split('.')[-2]} is not there, but near: give {found}"
    if _is_filled(Path(root)):
        return None  # what is missing is told when it is read
    node = catalogue.part("dataset", target).at("root")
    if node is None or not any("${paths.data}" in str(example) for example in node.examples):
        return None  # made on first use
    what = "is empty" if Path(root).is_dir() else "no such directory"
    layout = documented_layout(target).replace("\n", "\n    ")
    return (
        f"{label}.root={root}: {what} ({Path(root).absolute()}). Unpack the dataset there, or say "
        f"where it is: {label}.root=DIR, or paths.data=DIR for the folder of all datasets.\n"
        f"Expected, with ROOT that directory:\n    {layout}"
    )


def _nearby(root: Path, landmarks: Sequence[str]) -> Path | None:
    """A folder that has a landmark of the dataset: one level below, above, or beside the root."""
    root = root.absolute()
    above = [root.parent, root.parent.parent]
    places = [*_folders(root), *above, *_folders(root.parent)]
    return next((place for place in places if _has_any(place, landmarks)), None)


def _folders(path: Path) -> list[Path]:
    try:
        return sorted(entry for entry in path.iterdir() if entry.is_dir())
    except OSError:
        return []


def _has_any(root: Path, landmarks: Sequence[str]) -> bool:
    try:
        return any((root / landmark).exists() for landmark in landmarks if landmark)
    except OSError:  # a folder of somebody else's
        return False


def _file_problem(cfg: DictConfig, key: str) -> str | None:
    """A file that the user names, and which is not there."""
    value = found_value(cfg, key)
    if not isinstance(value, str) or Path(value).is_file():
        return None
    return f"{key}={value}: no such file ({Path(value).absolute()})"


def _is_filled(path: Path) -> bool:
    return os.path.isdir(path) and any(path.iterdir())  # noqa: PTH112  # False for a long name


def _cache_problem(cache: str) -> str | None:
    """A cache that cannot be written and is empty: one with content may hold all that is needed."""
    return None if _is_filled(Path(cache)) else unwritable("paths.cache", cache)


def require_writable(key: str, folder: Path) -> None:
    """Stop a script before its work if what it makes cannot be written.

    Args:
        key: the option that sets the folder, as typed.
        folder: where the results go; need not exist.

    Raises:
        SystemExit: it cannot be made or written; says why and which option to use.
    """
    if problem := unwritable(key, str(folder)):
        raise SystemExit(f"{Path(sys.argv[0]).name}: {problem}")


def first_existing(path: Path) -> Path:
    """A folder itself, or the nearest above it that is there."""
    path = path.absolute()
    return next(above for above in (path, *path.parents) if above.exists())


def unwritable(key: str, folder: str) -> str | None:
    """Why a folder cannot be made or written, or None."""
    existing = path = Path(folder).absolute()
    try:
        existing = first_existing(path)
        links = [p for p in (path, *path.parents) if p.is_symlink() and not p.exists()]
        if links:
            return f"{key}={folder}: {links[0]} is a link to nothing; choose another place"
        if not existing.is_dir():
            return f"{key}={folder}: {existing} is a file, not a directory; choose another place"
        with TemporaryDirectory(prefix=".handpose-", dir=existing):
            return None
    except OSError as error:  # permissions, a read-only mount, a quota, a full disk, a long name
        reason = error.strerror or error
        return f"{key}={folder}: {existing} cannot be written ({reason}); choose a place that can"
