"""Callback that logs what a stage sees: views of an objective, or predictions of a head."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.apply_func import move_data_to_device
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from handpose.data.batches import collate
from handpose.data.targets_dataset import TargetDataset
from handpose.data.views_dataset import ViewDataset
from handpose.loggers.base import LoggedImage, RunLogger, run_loggers
from handpose.loggers.overlays import PREDICTION, TRUTH, enlarged
from handpose.objectives.relative import relative_map
from handpose.records import Target, Views
from handpose.report.view_figures import look, pair_images
from handpose.training.finetuner import Finetuner
from handpose.training.module import Stage

_MOST = 8  # images of a stage
_GAP = 2  # px between two views
_VIEW_SIDE = 128  # px of a logged view, at least
_WHITE = 255

Images = dict[str, list[LoggedImage]]  # by name


class SampleImages(pl.Callback):
    """Log images of the same few validation samples, after every n-th epoch and the last one.

    Views are drawn anew each time. No-op on ranks other than 0, and without a logger that takes
    images. It changes no random numbers and no state of the training.

    Args:
        dataset: validation split of the stage.
    """

    def __init__(self, dataset: ViewDataset | TargetDataset) -> None:
        self.dataset = dataset
        places = np.linspace(0, len(dataset) - 1, min(_MOST, len(dataset)))
        self.places = np.unique(places.round().astype(int)).tolist()

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn != TrainerFn.FITTING or not trainer.is_global_zero:
            return
        loggers = [one for one in run_loggers(trainer.loggers) if _is_due(trainer, one)]
        if not loggers or not self.places:
            return
        assert isinstance(pl_module, Stage)
        with undisturbed_random_numbers():
            images = self._images(pl_module, trainer.current_epoch)
        for name, own in images.items():
            for logger in loggers:
                logger.log_images(f"{pl_module.stage}/{name}", own, epoch=trainer.current_epoch)

    def _images(self, stage: Stage, epoch: int) -> Images:
        if isinstance(self.dataset, ViewDataset):
            # Another epoch, other views.
            keys = [(epoch, place) for place in self.places]
            return view_images(collate(self.dataset.__getitems__(keys)))
        assert isinstance(stage, Finetuner)
        target = collate(self.dataset.__getitems__([(0, place) for place in self.places]))
        return {"predictions": prediction_images(stage, target)}


def _is_due(trainer: pl.Trainer, logger: RunLogger) -> bool:
    """Return whether a logger takes images after this epoch."""
    done, every = trainer.current_epoch + 1, logger.images_every_n_epochs
    return every is not None and (done % every == 0 or done == trainer.max_epochs)


@contextmanager
def undisturbed_random_numbers() -> Iterator[None]:
    """Restore the states of all random generators of the CPU after the block."""
    own, arrays = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(own)
            np.random.set_state(arrays)  # noqa: NPY002


def view_images(batch: Mapping[str, Views]) -> Images:
    """Return the pairs of views of each part of an objective, side by side.

    Args:
        batch: of the objective, on the CPU.
    """
    several = len(batch) > 1
    return {
        f"views_{part}" if several else "views": [
            _pair(views, row) for row in range(len(views.index))
        ]
        for part, views in batch.items()
    }


def _pair(views: Views, row: int) -> LoggedImage:
    size = views.image.shape[-1]
    images = pair_images(views, relative_map(views.params, size), row)
    is_mined = bool((views.index[row] != views.index[row, 0]).any())
    images = images[:2] if is_mined else images  # no map takes one image to another
    gap = np.full((size, _GAP, 3), _WHITE, np.uint8)
    joined = np.hstack([part for image in images for part in (image, gap)][:-1])
    looks = "; ".join(f"view {v + 1}: {look(views.params, row, v, size)}" for v in (0, 1))
    shown = "two images of similar poses" if is_mined else "the third: view 1 moved onto view 2"
    return LoggedImage(
        enlarged(joined, side=_VIEW_SIDE)[0], f"no. {int(views.index[row, 0])}; {looks}; {shown}"
    )


@torch.no_grad()
def prediction_images(stage: Finetuner, target: Target) -> list[LoggedImage]:
    """Return crops with the joints of the prediction and of the truth.

    Args:
        stage: in evaluation mode, so that its buffers stay as they are.
        target: a batch, on the CPU.
    """
    assert not stage.training, "a forward pass must not change BatchNorm's statistics"
    prediction = stage(move_data_to_device(target, stage.device))
    uv = prediction.uvz[..., :2].float().cpu()
    true = torch.where(target.uv_valid[..., None], target.uvz[..., :2], torch.nan)
    errors = (uv - true).norm(dim=-1).nanmean(1).tolist()
    rows = zip(target.image, uv.numpy(), true.numpy(), target.index.tolist(), errors, strict=True)
    return [_with_joints(*row) for row in rows]


def _with_joints(
    image: Tensor, uv: np.ndarray, true: np.ndarray, index: int, error: float
) -> LoggedImage:
    crop = image.permute(1, 2, 0).contiguous().numpy()
    larger, skeletons = enlarged(crop, {PREDICTION: uv, TRUTH: true})
    told = "no labels in 2D" if np.isnan(error) else f"{error:.1f} px of the crop in 2D"
    return LoggedImage(larger, f"no. {index}: {told}", skeletons)
