"""Verified Lightning checkpoints of a stage: keep two, read the newest valid one."""

import logging
from pathlib import Path
from typing import Any

from lightning_fabric.plugins.io.checkpoint_io import CheckpointIO
from pytorch_lightning.callbacks import ModelCheckpoint

from handpose.training.divergence import diverged
from handpose.weights import torch_file
from handpose.weights.torch_file import LAST, PREVIOUS, find_corruption

_log = logging.getLogger(__name__)


def newest_valid(folder: Path) -> Path | None:
    """Return the newest valid checkpoint of a stage; None if there is none yet.

    A corrupt newer one is renamed, so that the next save does not replace the valid one by it.

    Raises:
        ValueError: every checkpoint is corrupt; names them.
    """
    corrupt: list[str] = []
    for path in (folder / LAST, folder / PREVIOUS):
        if not path.exists():
            continue
        if (problem := find_corruption(path)) is None:
            if corrupt:
                _log.warning("%s is corrupt; resuming from %s", "; ".join(corrupt), path)
                (folder / LAST).replace(folder / "corrupt.ckpt")
            return path
        corrupt.append(f"{path} ({problem})")
    if corrupt:
        raise ValueError(
            f"every checkpoint in {folder} is corrupt: {'; '.join(corrupt)}. Delete the folder to "
            "restart this stage"
        )
    return None


def batches_done(path: Path) -> int:
    """Return the number of training batches, over all epochs, before a Lightning checkpoint."""
    progress = torch_file.load(path)["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    return progress["total"]["processed"]  # `ready` may count an unfinished batch


class VerifiedCheckpointIO(CheckpointIO):
    """Save and load Lightning checkpoints with a checksum; refuse non-finite weights."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        for name, value in checkpoint["state_dict"].items():
            if not value.isfinite().all():
                raise diverged(Path(path).parent.name, f"{name} is not finite, {path} not saved")
        torch_file.save(torch_file.versioned(checkpoint), Path(path))

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return torch_file.load(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


class StageCheckpoint(ModelCheckpoint):
    """`ModelCheckpoint` that keeps its best score when the run directory has moved."""

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
    """Build the callbacks that write `last.ckpt` every epoch and `best.ckpt` at the best one.

    Lightning's own `save_last` saves only in epochs that are the best so far.

    Args:
        folder: folder for checkpoints.
        monitor: metric whose minimum chooses `best.ckpt`; None for no `best.ckpt`.
    """
    common: dict[str, Any] = {
        "dirpath": folder,
        "save_top_k": 1,
        "enable_version_counter": False,
        "save_on_train_epoch_end": False,
    }
    last = StageCheckpoint(filename=Path(LAST).stem, **common)
    # Best first, so that `last.ckpt` stores the current best score.
    return (
        [StageCheckpoint(filename="best", monitor=monitor, **common), last] if monitor else [last]
    )
