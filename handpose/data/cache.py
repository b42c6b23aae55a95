"""What is built once into the cache: read back checked, and built again where it is corrupt."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

_log = logging.getLogger(__name__)


def ensure_built(
    folder: Path, find_problem: Callable[[], str | None], build: Callable[[], object]
) -> None:
    """Builds a folder of the cache unless it is whole; one process at a time.

    One that is whole is only read, so a cache that holds all that is needed may be read-only.

    Args:
        folder: below the cache.
        find_problem: returns None for a whole folder, "" for one that is missing or out of date,
            or how it is corrupt. A corrupt one is set aside.
        build: puts it there.

    Raises:
        OSError: the cache cannot be written; a note says what was to be built.
    """
    if find_problem() is None:
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if (problem := find_problem()) is not None:
                if problem:
                    set_aside(folder, problem)
                build()
    except OSError as error:
        error.add_note(f"building {folder}, below paths.cache")
        raise


def set_aside(path: Path, problem: str) -> None:
    """Renames what is corrupt: a file, a folder or a link; the one set aside before is deleted."""
    aside = path.with_name(f"{path.name}.corrupt")
    if aside.is_dir() and not aside.is_symlink():
        shutil.rmtree(aside)
    else:
        aside.unlink(missing_ok=True)
    path.rename(aside)
    _log.warning("%s is corrupt (%s): moved to %s and built again", path, problem, aside.name)
