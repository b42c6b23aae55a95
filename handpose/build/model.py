"""The backbone, the model that it is part of, and their optimizer."""

from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from handpose.backbones.base import Backbone
from handpose.backbones.weights import IMAGENET
from handpose.backbones.weights_file import read_decoder
from handpose.build.node import make
from handpose.heads.base import Head
from handpose.model import PoseModel
from handpose.training.optim import OptimizerFactory


def build_optimizer(node: DictConfig) -> OptimizerFactory:
    """Parameter groups -> optimizer; its file in conf/ asks for a partial."""
    return instantiate(node, _convert_="all")


def build_backbone(cfg: DictConfig) -> Backbone:
    """The backbone with the weights it starts from, laid out in memory as the trainer asks.

    Convolutions hand the layout of their weights on, so that the images need none.
    """
    backbone: Backbone = make(cfg.backbone)
    if cfg.backbone.weights not in (None, IMAGENET):
        backbone.decoder = read_decoder(Path(cfg.backbone.weights))
    if cfg.trainer.channels_last:
        backbone.to(memory_format=torch.channels_last)
    return backbone


def widths(backbone: Backbone) -> dict[str, Any]:
    return {
        "channels": backbone.channels,
        "strides": backbone.strides,
        "embedding_dim": backbone.embedding_dim,
    }


def build_model(cfg: DictConfig, backbone: Backbone) -> PoseModel:
    """The backbone under the head."""
    head: Head = make(
        cfg.head,
        **widths(backbone),
        image_size=cfg.finetune.dataset.image_size,
        reference_bone=cfg.reference_bone,
    )
    return PoseModel(backbone=backbone, head=head, freeze_backbone=cfg.finetune.freeze_backbone)
