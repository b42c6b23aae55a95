"""The backbone, the model that it is part of, and their optimizer."""

from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from handpose.backbones.base import Backbone
from handpose.build.node import make
from handpose.heads.base import Head
from handpose.model import PoseModel
from handpose.training.optim import OptimizerFactory


def build_optimizer(node: DictConfig) -> OptimizerFactory:
    """Parameter groups -> optimizer; its file in conf/ asks for a partial."""
    return instantiate(node, _convert_="all")


def build_backbone(cfg: DictConfig) -> Backbone:
    """The backbone with the weights it starts from."""
    return make(cfg.backbone)


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
