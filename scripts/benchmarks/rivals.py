"""What handpose's training is compared with: a plain Lightning loop, and lightly's SimCLR."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from benchmarks.stage import Task, configure, release
from benchmarks.torchvision_views import view_transform
from benchmarks.turns import Measured, Stopwatch, TurnOverError
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision.io import decode_jpeg, read_file
from torchvision.transforms import v2

from handpose.backbones.base import Backbone
from handpose.data.workers import process_context
from handpose.objectives.projection import EmbeddingProjection
from handpose.pipeline import parts, trainers
from handpose.training.optimizers import OptimizerFactory

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Pairs(Dataset[list[Tensor]]):
    """Two views of an image file, by torchvision's v2 transforms; float32, standardised.

    Args:
        paths: of JPEG files.
        transform: of a view.
    """

    def __init__(self, paths: Sequence[Path], transform: Callable[[Tensor], Tensor]) -> None:
        self.paths = paths
        self.transform = v2.Compose(
            [transform, v2.ToDtype(torch.float32, scale=True), v2.Normalize(_MEAN, _STD)]
        )

    def __getitem__(self, index: int) -> list[Tensor]:
        image = decode_jpeg(read_file(str(self.paths[index])))
        return [self.transform(image) for _ in range(2)]

    def __len__(self) -> int:
        return len(self.paths)


class SimClr(pl.LightningModule):
    """SimCLR as a tutorial writes it, with the same backbone and optimizer as handpose.

    Args:
        backbone: of handpose.
        head: embedding -> projection.
        loss: of the projections of the first and the second views.
        optimizer: function from parameters to an optimizer.
    """

    def __init__(
        self,
        backbone: Backbone,
        head: nn.Module,
        loss: Callable[[Tensor, Tensor], Tensor],
        optimizer: OptimizerFactory,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.loss = loss
        self.optimizer_factory = optimizer

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        views = batch if isinstance(batch[0], Tensor) else batch[0]  # lightly's: (views, ...)
        embedding = self.backbone(torch.cat(tuple(views)))[1]
        loss = self.loss(*self.head(embedding).chunk(2))
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.optimizer_factory(self.parameters())


def nt_xent(first: Tensor, second: Tensor, *, temperature: float) -> Tensor:
    """NT-Xent of SimCLR (arXiv 2002.05709) as one masked cross-entropy.

    Args:
        first: (B, D) projections.
        second: (B, D), of the other views.
        temperature: T.
    """
    z = F.normalize(torch.cat((first, second)).float(), dim=1)
    logits = (z @ z.T / temperature).fill_diagonal_(-torch.inf)
    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(first)))


class Lightning:
    """A plain loop of Lightning with torchvision's transforms, on the same files.

    Args:
        task: the task.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.cfg = configure(task, "trainer.channels_last=false")
        own = trainers.build_trainer(
            self.cfg, self.cfg.pretrain, folder=None, monitor=None, loggers=[]
        )
        self.precision = own.precision
        pl.seed_everything(self.cfg.seed, verbose=False)
        backbone: Backbone = parts.build_backbone(self.cfg)
        head, loss = self.head(backbone.embedding_dim)
        optimizer = parts.build_optimizer(self.cfg.pretrain.optimizer)
        self.module = SimClr(backbone, head, loss, optimizer)
        self.dataset = self.views()

    def views(self) -> Any:
        """Returns the dataset of views."""
        augmentation = parts.build_augmentation(self.cfg.pretrain.augment)
        paths = sorted(self.task.images.glob("*.jpg"))
        side = decode_jpeg(read_file(str(paths[0]))).shape[1]
        return Pairs(paths, view_transform(augmentation, side=side, size=self.task.size))

    def head(self, width: int) -> tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
        """Returns the projection of an embedding of that width, and the loss."""
        objective = self.cfg.objective
        projection = EmbeddingProjection(
            embedding_dim=width,
            hidden_dim=objective.hidden_dim,
            projection_dim=objective.projection_dim,
            bias=objective.projection_bias,
        )
        temperature = float(objective.temperature)
        return projection.mlp, lambda first, second: nt_xent(first, second, temperature=temperature)

    def __call__(self) -> Measured:
        """Takes a turn."""
        task, watch = self.task, self.task.stopwatch()
        count = (watch.least + 1) * task.pairs
        loader: DataLoader = DataLoader(
            self.dataset,
            batch_size=task.pairs,
            sampler=RandomSampler(self.dataset, replacement=True, num_samples=count),
            drop_last=True,
            num_workers=task.workers,
            multiprocessing_context=process_context() if task.workers else None,
            pin_memory=task.device == "cuda",
        )
        trainer = pl.Trainer(
            accelerator=task.device,
            devices=1,
            precision=self.precision,
            max_epochs=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[_Ticks(watch)],
        )
        with suppress(TurnOverError):
            trainer.fit(self.module, loader)
        release()
        return watch.measured()


class Lightly(Lightning):
    """lightly's SimCLR: its dataset, transform, projection and loss, with the same backbone."""

    def views(self) -> Any:
        from lightly.data import LightlyDataset
        from lightly.transforms import SimCLRTransform

        transform: Any = SimCLRTransform(input_size=self.task.size)
        return LightlyDataset(str(self.task.images), transform=transform)

    def head(self, width: int) -> tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
        from lightly.loss import NTXentLoss
        from lightly.models.modules import SimCLRProjectionHead

        objective = self.cfg.objective
        head = SimCLRProjectionHead(width, objective.hidden_dim, objective.projection_dim)
        return head, NTXentLoss(temperature=objective.temperature)


class _Ticks(pl.Callback):
    """Marks the steps on the stopwatch; waits for the device at the end of a window."""

    def __init__(self, watch: Stopwatch) -> None:
        self.watch = watch

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if (batch_idx + 1) % self.watch.steps == 0:
            float(outputs["loss"])
            self.watch.step(batch_idx + 1)
