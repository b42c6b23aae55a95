"""Configuration -> parts: the one place where plain values leave the config."""

from handpose.build.data import build_augmentation, build_dataset, build_terms
from handpose.build.model import build_backbone, build_model, build_optimizer
from handpose.build.node import Caps, build_caps, capped, chosen
from handpose.build.objective import (
    build_mined,
    build_objective,
    build_view_augmentations,
    mined_parts,
)
from handpose.build.processes import check_devices, joined_processes
from handpose.build.trainer import build_evaluator, build_trainer, num_workers

__all__ = [
    "Caps",
    "build_augmentation",
    "build_backbone",
    "build_caps",
    "build_dataset",
    "build_evaluator",
    "build_mined",
    "build_model",
    "build_objective",
    "build_optimizer",
    "build_terms",
    "build_trainer",
    "build_view_augmentations",
    "capped",
    "check_devices",
    "chosen",
    "joined_processes",
    "mined_parts",
    "num_workers",
]
