"""Work that another run began, and this one continues."""

import logging
import shutil
from pathlib import Path

from handpose.training import checkpoint

_log = logging.getLogger(__name__)


def go_on_from(folders: list[Path], own: Path) -> None:
    """Puts the newest checkpoints of `folders` in place of those in `own`, if they are newer."""
    aged = {folder: age for folder in [own, *folders] if (age := _newest(folder)) is not None}
    best = max(aged, key=aged.__getitem__, default=own)
    if best == own:
        return
    _log.info("pre-training resumes from the checkpoints in %s", best)
    partial = own.with_name(f".{own.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(best, partial, ignore=shutil.ignore_patterns(".*"))
    shutil.rmtree(own, ignore_errors=True)
    partial.rename(own)


def _newest(folder: Path) -> float | None:
    """When the newest whole checkpoint was written; None without any."""
    whole = [file for file in folder.glob("*.ckpt") if checkpoint.find_damage(file) is None]
    return max((file.stat().st_mtime for file in whole), default=None)
