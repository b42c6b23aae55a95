"""The three stages of a run: pre-train, fine-tune, evaluate. Each leaves its result in a file.

A stage whose file is there is not done again, and a stage that did not finish has no file.
"""

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from omegaconf import DictConfig
from pytorch_lightning.loggers.logger import Logger
from torch.utils.data import DataLoader

from handpose import build
from handpose.backbones.base import Backbone
from handpose.data.base import SPLITS, HandDataset, Split
from handpose.data.loaders import TargetDataset, ViewDataset, build_loader
from handpose.data.sampling import choose_labelled
from handpose.evaluate import Evaluation, Results, collect, finite_or_null
from handpose.geometry.align import generalised_procrustes_mean
from handpose.hand import NUM_JOINTS
from handpose.records import Prediction, Target
from handpose.training import checkpoint
from handpose.training.finetuner import Finetuner, Scored
from handpose.training.pretrainer import Pretrainer
from handpose.training.stage import Stage

_log = logging.getLogger(__name__)

BACKBONE = "backbone.pt"
MODEL = "model.pt"
_MEAN_POSE_HANDS = 5000  # enough for a mean; more would only take longer


def build_all_splits(cfg: DictConfig) -> None:
    """Builds every split that the chosen stages need, so that a missing one is met before any work.

    Raises:
        ValueError: a split is missing, malformed, or too small for BatchNorm; names it.
    """
    training: list[ViewDataset | TargetDataset] = []
    if build.chosen(cfg.objective):
        training.append(view_datasets(cfg)[0])
    if build.chosen(cfg.head):
        splits = [target_dataset(cfg, split) for split in SPLITS]
        training.append(splits[0])
    for dataset in training:
        if len(dataset) < 2:
            raise ValueError(
                f"{dataset.source.name}: {len(dataset)} training sample, and BatchNorm needs two; "
                "raise finetune.label_fraction or give the dataset more samples"
            )


def pretrain(cfg: DictConfig, run_dir: Path, loggers: list[Logger]) -> tuple[Backbone, Results]:
    """The pre-trained backbone, and the seconds it took beside its errors on held-out pairs.

    With `objective=none` it is the start itself.
    """
    pl.seed_everything(cfg.seed, verbose=False)
    backbone = build.build_backbone(cfg)
    path = run_dir / BACKBONE
    if path.exists():
        _log.info("pre-training is done: %s", path)
        content = checkpoint.load(path)
        backbone.network.load_state_dict(content["state_dict"])
        return backbone, content["meta"]["results"]
    results: Results = {"pretrain_seconds": 0.0}
    if build.chosen(cfg.objective):
        results = _train_backbone(cfg, run_dir, loggers, backbone)
    meta = _meta(cfg, results)
    checkpoint.save({"state_dict": backbone.network.state_dict(), "meta": meta}, path)
    return backbone, results


def _train_backbone(
    cfg: DictConfig, run_dir: Path, loggers: list[Logger], backbone: Backbone
) -> Results:
    train, val = view_datasets(cfg)
    stage = Pretrainer(
        backbone=backbone,
        objectives=build.build_objectives(cfg, backbone, train.augmentations),
        optimizer=build.build_optimizer(cfg.pretrain.optimizer),
        warmup_epochs=cfg.pretrain.warmup_epochs,
    )
    folder = run_dir / "checkpoints" / "pretrain"
    untrained = _held_out(cfg, stage, val)
    seconds = _fit(
        cfg, cfg.pretrain, stage, train, val, folder=folder, loggers=loggers, monitor=None
    )
    if not all(value.isfinite().all() for value in backbone.state_dict().values()):
        raise ValueError(
            "pre-training diverged: the backbone's weights are not finite. "
            "Lower optimizer.lr or lengthen pretrain.warmup_epochs, in a new run directory."
        )
    return {
        "pretrain_seconds": seconds,
        **{f"pretext_{name}": value for name, value in _held_out(cfg, stage, val).items()},
        **{f"pretext_untrained_{name}": value for name, value in untrained.items()},
    }


def _held_out(cfg: DictConfig, stage: Pretrainer, val: ViewDataset) -> Results:
    """The objective's errors on the held-out pairs, in plain units: its terms that are no loss."""
    trainer = build.build_trainer(cfg, cfg.pretrain, folder=None, monitor=None, loggers=[])
    batches = loader(cfg, val, batch_size=cfg.evaluate.batch_size, training=False)
    (metrics,) = trainer.validate(stage, batches, verbose=False)
    terms = {name.removeprefix("pretrain/val_"): value for name, value in metrics.items()}
    plain = {name: value for name, value in terms.items() if not name.startswith("loss")}
    return finite_or_null(plain, reason="not a finite number on the held-out pairs")


def view_datasets(cfg: DictConfig) -> tuple[ViewDataset, ViewDataset]:
    """Training and validation views. Held-out pairs are drawn like the training ones, but fixed."""
    caps = build.build_caps(cfg)
    augmentations = build.build_view_augmentations(cfg)
    train = build.build_dataset(cfg.pretrain.dataset, "train", caps)
    val = build.build_dataset(cfg.pretrain.dataset, "val", caps)
    return (
        ViewDataset(train, augmentations, seed=cfg.seed),
        ViewDataset(val, augmentations, seed=cfg.seed),
    )


def finetune(
    cfg: DictConfig, run_dir: Path, loggers: list[Logger], backbone: Backbone
) -> tuple[Finetuner, Results]:
    """The model that was best on the validation split, and the seconds it took."""
    pl.seed_everything(cfg.seed, verbose=False)
    stage = Finetuner(
        model=build.build_model(cfg, backbone),
        optimizer=build.build_optimizer(cfg.finetune.optimizer),
        warmup_epochs=cfg.finetune.warmup_epochs,
    )
    path = run_dir / MODEL
    if path.exists():
        _log.info("fine-tuning is done: %s", path)
        content = checkpoint.load(path)
        stage.model.load_state_dict(content["state_dict"])
        return stage, content["meta"]["results"]
    train, val = target_dataset(cfg, "train"), target_dataset(cfg, "val")
    folder = run_dir / "checkpoints" / "finetune"
    seconds = _fit(
        cfg,
        cfg.finetune,
        stage,
        train,
        val,
        folder=folder,
        loggers=loggers,
        monitor=Finetuner.monitor(has_depth=len(val.source.poses()) > 0),
    )
    stage.load_state_dict(checkpoint.load(folder / "best.ckpt")["state_dict"])
    results: Results = {"finetune_seconds": seconds}
    checkpoint.save({"state_dict": stage.model.state_dict(), "meta": _meta(cfg, results)}, path)
    return stage, results


def target_dataset(cfg: DictConfig, split: Split) -> TargetDataset:
    """Labelled crops: augmented and cut to the labelled part for training, plain and whole else."""
    source = build.build_dataset(cfg.finetune.dataset, split, build.build_caps(cfg))
    training = split == "train"
    labelled = choose_labelled(
        source.identities,
        fraction=cfg.finetune.label_fraction if training else 1.0,
        seed=cfg.seed,
    )
    return TargetDataset(
        source,
        build.build_augmentation(cfg.finetune.augment if training else cfg.evaluate.augment),
        reference_bone=cfg.reference_bone,
        seed=cfg.seed,
        indices=labelled,
    )


def _fit(
    cfg: DictConfig,
    config: DictConfig,
    stage: Stage,
    train: ViewDataset | TargetDataset,
    val: ViewDataset | TargetDataset,
    *,
    folder: Path,
    loggers: list[Logger],
    monitor: str | None,
) -> float:
    """Trains `stage`, from its last checkpoint in `folder` where there is one.

    Returns the seconds that it took, those before an interruption included.
    """
    trainer = build.build_trainer(cfg, config, folder=folder, monitor=monitor, loggers=loggers)
    last = folder / "last.ckpt"
    trainer.fit(
        stage,
        loader(cfg, train, batch_size=config.batch_size, training=True),
        loader(cfg, val, batch_size=cfg.evaluate.batch_size, training=False),
        ckpt_path=last if last.exists() else None,
        weights_only=True,
    )
    return stage.seconds


def loader(
    cfg: DictConfig, dataset: ViewDataset | TargetDataset, *, batch_size: int, training: bool
) -> DataLoader:
    """Batches of a dataset, under the trainer's caps."""
    return build_loader(
        dataset,
        batch_size=build.capped(batch_size, build.build_caps(cfg).batch_size),
        training=training,
        num_workers=build.num_workers(cfg),
        seed=cfg.seed,
    )


def evaluate(cfg: DictConfig, stage: Finetuner) -> tuple[Evaluation, HandDataset, float]:
    """All predictions of the test split beside the truth, the split itself, and the seconds."""
    start = time.monotonic()
    dataset = target_dataset(cfg, "test")
    trainer = build.build_trainer(cfg, cfg.finetune, folder=None, monitor=None, loggers=[])
    batches = loader(cfg, dataset, batch_size=cfg.evaluate.batch_size, training=False)
    scored: list[Scored] = trainer.predict(stage, batches)  # type: ignore[assignment]
    prediction = Prediction(*map(torch.cat, zip(*(s.prediction for s in scored), strict=True)))
    target = Target(*map(torch.cat, zip(*(s.target for s in scored), strict=True)))
    training_hands = build.build_dataset(cfg.finetune.dataset, "train", build.build_caps(cfg))
    evaluation = collect(prediction, target, mean_pose(training_hands.poses()))
    return evaluation, dataset.source, time.monotonic() - start


def mean_pose(poses: np.ndarray) -> torch.Tensor:
    """The Procrustes mean (J, 3) of complete poses (M, J, 3), metres; (0, 3) if there are none."""
    if len(poses) == 0:
        return torch.empty(0, 3)
    chosen = np.linspace(0, len(poses) - 1, min(len(poses), _MEAN_POSE_HANDS)).astype(int)
    mean = generalised_procrustes_mean(torch.from_numpy(np.asarray(poses[chosen])).double())
    assert mean.shape == (NUM_JOINTS, 3)
    return mean


def _meta(cfg: DictConfig, results: Results) -> dict[str, Any]:
    """What a weights file says of itself, in plain values."""
    return {
        "backbone": cfg.backbone.name,
        "objective": cfg.objective.get("_target_"),
        "head": cfg.head.get("_target_"),
        "seed": cfg.seed,
        "results": results,
    }
