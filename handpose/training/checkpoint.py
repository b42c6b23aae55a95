"""Checkpoints: written beside their place, verified, renamed; read back whole or refused."""

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.checkpoint_io import CheckpointIO
from pytorch_lightning.callbacks import ModelCheckpoint


def find_damage(path: Path) -> str | None:
    """None if every record of the file has its CRC-32, else what is wrong, in one line."""
    try:
        with zipfile.ZipFile(path) as archive:
            name = archive.testzip()
        return name and f"checksum of {name}"
    except (OSError, zipfile.BadZipFile) as error:
        return f"{type(error).__name__}: {error}"


def save(content: Any, path: Path) -> None:
    """`torch.save`, so that `path` holds the old content or the new, never a part of one.

    Raises:
        OSError: the folder cannot be written; names the path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        if damage := find_damage(partial):
            raise OSError(f"{partial} does not read back ({damage}); is the disk full or failing?")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


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


class VerifiedCheckpointIO(CheckpointIO):
    """Lightning's checkpoints through `save` and `load`."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
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


def stage_checkpoints(folder: Path, *, monitor: str | None) -> StageCheckpoint:
    """`last.ckpt` after every epoch and, given `monitor`, `best.ckpt`, where it was lowest."""
    return StageCheckpoint(
        dirpath=folder,
        filename="best" if monitor else "epoch",
        monitor=monitor,
        save_last=True,
        save_top_k=1,
        enable_version_counter=False,
        save_on_train_epoch_end=False,
    )
