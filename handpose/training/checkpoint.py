"""Checkpoints: written beside their place, verified, renamed; read back whole or refused."""

import errno
import logging
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.checkpoint_io import CheckpointIO
from pytorch_lightning.callbacks import ModelCheckpoint

from handpose.training.checksum import find_damage, save_with_checksum
from handpose.training.divergence import diverged

_log = logging.getLogger(__name__)

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"
_DAMAGED = "damaged.ckpt"


def save(content: Any, path: Path) -> None:
    """`torch.save`, so that `path` holds the old content or the new, never a part of one.

    Raises:
        OSError: the folder cannot be written, or the disk is full; names the path.
    """
    path.parent.mkdir(exist_ok=True)  # not its parents: a run whose directory is deleted ends
    partial = path.with_name(f".{path.name}.partial")
    try:
        _write(content, partial)
        if path.name == LAST and path.exists():
            path.replace(path.with_name(PREVIOUS))
        partial.replace(path)
        _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _write(content: Any, path: Path) -> None:
    """Onto the disk, and read back."""
    try:
        with path.open("wb") as file:
            save_with_checksum(content, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:  # torch's own writer says RuntimeError
        written = path.stat().st_size if path.exists() else 0
        free = shutil.disk_usage(path.parent).free + written
        needed = num_bytes(content)
        if getattr(error, "errno", None) == errno.ENOSPC or free < needed:
            raise OSError(
                errno.ENOSPC,
                f"the disk is full: {needed:,} bytes needed, {free:,} free. The checkpoint before "
                "is kept; make room first",
                str(path),
            ) from error
        raise
    if damage := find_damage(path):
        raise OSError(f"{path} does not read back ({damage}); is the disk failing?")


def _sync(folder: Path) -> None:
    """The names in a folder onto the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def num_bytes(content: Any) -> int:
    """What the tensors in nested dicts and lists take."""
    if isinstance(content, torch.Tensor):
        return content.numel() * content.element_size()
    if isinstance(content, dict):
        return sum(map(num_bytes, content.values()))
    return sum(map(num_bytes, content)) if isinstance(content, list | tuple) else 0


def newest_valid(folder: Path) -> Path | None:
    """The newer of the two checkpoints of a stage that is whole; None where there are none yet.

    A damaged newer one is renamed: the next save would put it in the place of the whole one.

    Raises:
        ValueError: there are some, and none is whole; names them.
    """
    damaged: list[str] = []
    for path in (folder / LAST, folder / PREVIOUS):
        if not path.exists():
            continue
        if (damage := find_damage(path)) is None:
            if damaged:
                _log.warning("%s is damaged; going on from %s", "; ".join(damaged), path)
                (folder / LAST).replace(folder / _DAMAGED)
            return path
        damaged.append(f"{path} ({damage})")
    if damaged:
        raise ValueError(
            f"no checkpoint in {folder} is whole: {'; '.join(damaged)}. Delete the folder to train "
            "this stage from its beginning"
        )
    return None


def load(path: Path) -> Any:
    """Tensors and plain values from `path`, onto the CPU; nothing in the file is executed.

    Raises:
        ValueError: the file is damaged or missing, or holds what would have to be executed; names
            it.
    """
    if damage := find_damage(path):
        raise ValueError(f"{path} is damaged or missing ({damage})")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        objects = ", ".join(sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path)))
        raise ValueError(
            f"{path} is refused: beside tensors it holds {objects}, and reading that could run any "
            "code. None was run. No run of this program writes such a file; take it away"
        ) from None


def batches_done(path: Path) -> int:
    """How many training batches of all epochs lie behind a checkpoint of Lightning's."""
    progress = load(path)["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    return progress["total"]["processed"]  # `ready` may count one that was not done


class VerifiedCheckpointIO(CheckpointIO):
    """Lightning's checkpoints through `save` and `load`; none with weights that are not finite."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        for name, value in checkpoint["state_dict"].items():
            if not value.isfinite().all():
                raise diverged(Path(path).parent.name, f"{name} is not finite, {path} not saved")
        save(checkpoint, Path(path))

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return load(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


class StageCheckpoint(ModelCheckpoint):
    """Lightning's, which forgets its best score when the run directory was moved meanwhile."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        here = Path(str(self.dirpath))
        moved = {
            name: str(here / Path(state_dict[name]).name)
            for name in ("best_model_path", "last_model_path", "kth_best_model_path")
            if state_dict.get(name)
        }
        best = {str(here / Path(p).name): score for p, score in state_dict["best_k_models"].items()}
        super().load_state_dict(
            state_dict | moved | {"best_k_models": best, "dirpath": self.dirpath}
        )


def stage_checkpoints(folder: Path, *, monitor: str | None) -> list[StageCheckpoint]:
    """`last.ckpt` after every epoch and, given `monitor`, `best.ckpt`, where it was lowest.

    Two callbacks: Lightning's `save_last` saves only in epochs that are the best so far.
    """
    common: dict[str, Any] = {
        "dirpath": folder,
        "save_top_k": 1,
        "enable_version_counter": False,
        "save_on_train_epoch_end": False,
    }
    last = StageCheckpoint(filename=Path(LAST).stem, **common)
    # The best one first, so that the last one holds what is the best by then.
    return (
        [StageCheckpoint(filename="best", monitor=monitor, **common), last] if monitor else [last]
    )
