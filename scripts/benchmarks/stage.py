"""Turns of handpose's own pre-training: the stage as a run trains it, and a bare loop around it."""

import gc
import math
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch
from benchmarks.turns import Measured, Stopwatch, TurnOverError
from lightning_fabric.utilities import move_data_to_device
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers.logger import Logger

from handpose.config import check
from handpose.config.composer import compose_config
from handpose.distributed.interrupt import Interrupt
from handpose.pipeline import parts, trainers
from handpose.pipeline.auto import settled
from handpose.pipeline.stages.device_batches import device_batches
from handpose.pipeline.stages.fit import StageContext, fit
from handpose.pipeline.stages.pretrain import build_pretrainer
from handpose.pipeline.stages.splits import build_splits
from handpose.pipeline.stages.stage_loaders import training_loader
from handpose.training.meters import STEP
from handpose.training.optimizers import parameter_groups
from handpose.training.run_log import RunLog

BOXES = "boxes.csv"
_EPOCH = 100  # windows of an epoch: a turn ends long before it


class Task(NamedTuple):
    """What all ways train, and on what."""

    backbone: str
    size: int  # px, side of a view
    pairs: int  # of a batch
    steps: int  # of a window of a turn
    workers: int
    device: str  # "cpu" or "cuda"
    images: Path  # folder of JPEG files, with `BOXES`
    folder: Path  # for indices, packs and runs

    @property
    def name(self) -> str:
        """Its name in tables."""
        return f"{self.backbone} at {self.size} px"

    def stopwatch(self) -> Stopwatch:
        """Returns the stopwatch of a turn."""
        return Stopwatch(self.steps, 2 * self.pairs)


def overrides_of(task: Task) -> list[str]:
    """Returns the command line of a run that pre-trains on the files."""
    return [
        *("dataset=folder", f"dataset.root={task.images}", f"dataset.boxes={BOXES}"),
        *("objective=contrastive", "augment=tracked", "head=none", f"backbone={task.backbone}"),
        f"dataset.image_size={task.size}",
        f"pretrain.batch_size={task.pairs}",
        f"trainer={'gpu' if task.device == 'cuda' else 'cpu'}",
        f"trainer.num_workers={task.workers}",
        *(f"paths.cache={task.folder / 'cache'}", f"paths.runs={task.folder / 'runs'}"),
    ]


def configure(task: Task, *overrides: str) -> DictConfig:
    """Composes and checks the configuration of a turn.

    Args:
        task: the task.
        *overrides: of this way.
    """
    cfg = compose_config(
        *overrides_of(task),
        "pretrain.max_epochs=1",
        f"pretrain.samples_per_epoch={_EPOCH * task.steps * task.pairs}",
        f"trainer.log_every_n_steps={task.steps}",
        *overrides,
    )
    cfg = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    check(cfg)
    trainers.check_devices(cfg)
    return settled(cfg)


class Stage:
    """The real stage: its data, loaders, callbacks and trainer. A turn is the start of a run.

    Args:
        task: the task.
        *overrides: of this way.
    """

    def __init__(self, task: Task, *overrides: str) -> None:
        self.task = task
        self.cfg = configure(task, *overrides)
        run_dir = task.folder / "runs" / f"{time.monotonic_ns()}"
        run_dir.mkdir(parents=True)
        splits = build_splits(self.cfg, run_dir)
        quiet = RunLog({}, every_seconds=math.inf)
        self.context = StageContext(self.cfg, run_dir, splits, [], Interrupt(), quiet)
        self.stage = build_pretrainer(self.context)

    def __call__(self) -> Measured:
        """Takes a turn."""
        watch = self.task.stopwatch()
        with suppress(TurnOverError):
            self.train(watch)
        self.stage.resident = None
        release()
        return watch.measured()

    def train(self, watch: Stopwatch) -> None:
        """Trains until the stopwatch ends it."""
        context = self.context._replace(loggers=[_Reader(watch)])
        fit(context, self.stage, context.splits.views, folder=context.run_dir / "checkpoints")


class BareLoop(Stage):
    """The same step, data and optimizer in a loop of PyTorch alone."""

    def train(self, watch: Stopwatch) -> None:
        trainer = trainers.build_trainer(
            self.cfg, self.cfg.pretrain, folder=None, monitor=None, loggers=[]
        )
        device, precision = trainer.strategy.root_device, trainer.precision_plugin
        stage = self.stage.to(device).train()
        factory = parts.build_optimizer(self.cfg.pretrain.optimizer)
        optimizer = factory(parameter_groups(stage))
        train = self.context.splits.views["train"]
        on_device = device_batches(self.cfg, train, device)
        stage.resident = None if on_device is None else on_device.resident
        loader = training_loader(
            self.cfg, self.cfg.pretrain, train, on_device=on_device, device=device
        )
        for number, batch in enumerate(loader, 1):
            batch = stage.on_after_batch_transfer(move_data_to_device(batch, device), 0)
            with precision.forward_context():
                loss = stage.training_step(batch, number)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            if number % watch.steps == 0:
                float(loss.detach())  # waits for the device
                watch.step(number)


class _Reader(Logger):
    """Passes the stage's meters to the stopwatch; they are logged once a window."""

    def __init__(self, watch: Stopwatch) -> None:
        super().__init__()
        self.watch = watch

    @property
    def name(self) -> str:
        return "stopwatch"

    @property
    def version(self) -> str:
        return ""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        meters = {n.partition(STEP)[2]: value for n, value in metrics.items() if STEP in n}
        if meters and step is not None:
            self.watch.step(step + 1, meters)

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """No-op."""


def release() -> None:
    """Ends the workers of the last turn, and frees the memory of its device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
