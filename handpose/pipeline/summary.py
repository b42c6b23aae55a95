"""Log a summary of a run at its start, and count its work for the time estimate."""

from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from handpose.config.schema import num_processes
from handpose.data.base import Split
from handpose.data.targets_dataset import TargetDataset
from handpose.data.views_dataset import ViewDataset
from handpose.distributed import collectives
from handpose.pipeline import parts, trainer_flags, trainers
from handpose.pipeline.auto import device_type
from handpose.pipeline.stages.splits import Splits
from handpose.pipeline.stages.stage_loaders import training_loader
from handpose.progress import tell
from handpose.report.choices import essence
from handpose.training.run_log import TRAINED, RunLog

_PASSES = 2  # extra passes over the held-out pairs, before and after pre-training


def begin_log(cfg: DictConfig, splits: Splits, run_dir: Path) -> RunLog:
    """Log the summary of a run and return its progress log.

    Args:
        cfg: configuration of the run.
        splits: datasets of the stages in use.
        run_dir: shown in the summary.
    """
    parts: dict[str, tuple[float, str]] = {}
    if splits.views:
        parts["pretrain"] = _training(cfg, "pretrain", splits.views, passes=_PASSES)
    if splits.labelled:
        parts["finetune"] = _training(cfg, "finetune", splits.labelled, passes=0)
    if (scored := splits.evaluated) is not None:
        hands = trainer_flags.evaluated_hands(cfg, len(scored))
        line = f"{scored.source.name}, {hands:,} samples of the split {scored.source.split}"
        parts["evaluate"] = (float(hands), line)
    tell(f"run directory: {run_dir}")
    tell(f"{essence(OmegaConf.to_container(cfg, resolve=True))}, on {_devices(cfg)}")  # type: ignore[arg-type]
    if cfg.init_from is not None:
        tell(f"backbone and head: from {cfg.init_from}")
    for name, (_, line) in parts.items():
        tell(f"{name}: {line}")
    work = {name: images for name, (images, _) in parts.items()}
    return RunLog(
        work,
        every_seconds=cfg.trainer.log_every_seconds,
        has_bars=cfg.trainer.lightning.enable_progress_bar is not False,
    )


def _training(
    cfg: DictConfig,
    name: str,
    datasets: dict[Split, ViewDataset] | dict[Split, TargetDataset],
    *,
    passes: int,
) -> tuple[float, str]:
    """Return the work of a stage (see `Estimate`) and its line in the summary.

    Args:
        cfg: configuration of the run.
        name: "pretrain" or "finetune".
        datasets: "train" and "val" splits.
        passes: extra passes over the validation split.
    """
    stage, caps = cfg[name], parts.build_caps(cfg)
    train, val = datasets["train"], datasets["val"]
    loader = training_loader(cfg, stage, train)
    epochs = parts.capped(stage.max_epochs, caps.max_epochs)
    batches = trainer_flags.training_batches(cfg, len(loader))
    size = (loader.batch_size or 1) * collectives.world_size()
    work = TRAINED * epochs * batches * size * _images(train)
    words = (
        f"{train.source.name}, {len(train):,} train and {len(val):,} val samples; "
        f"epochs: {epochs}, batches of an epoch: {batches}, batch size: {size}"
    )
    return work + (epochs + passes) * _evaluated(cfg, val), words


def _images(dataset: ViewDataset | TargetDataset) -> int:
    """Return the number of images per sample that go through the network."""
    return 2 * len(dataset.augmentations) if isinstance(dataset, ViewDataset) else 1


def _evaluated(cfg: DictConfig, dataset: ViewDataset | TargetDataset) -> float:
    """Return the number of images in one evaluation pass under the caps."""
    size = parts.capped(cfg.evaluate.batch_size, parts.build_caps(cfg).batch_size)
    batches = trainer_flags.validation_batches(cfg, -(-len(dataset) // size))
    return float(min(len(dataset), batches * size) * _images(dataset))


def _devices(cfg: DictConfig) -> str:
    """Describe the devices, the precision and the data workers."""
    count, trainer = num_processes(cfg.trainer), cfg.trainer
    name = torch.cuda.get_device_name() if device_type(cfg) == "cuda" else "CPU"
    devices = name if count == 1 else f"{count} x {name}"
    workers = trainers.num_workers(cfg)
    return f"{devices}, precision {trainer.precision}, data workers of each process: {workers}"
