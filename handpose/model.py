"""The pose model: a backbone and a head. B batch, S side of the crop in px."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from handpose.backbones.base import Backbone
from handpose.heads.base import Head
from handpose.records import Prediction


class PoseModel(nn.Module):
    """uint8 crops and their intrinsics -> Prediction.

    Args:
        backbone: Image -> features.
        head: Features -> pose.
        freeze_backbone: Keep every parameter and buffer of the backbone bit for bit. It gets no
            gradient and stays in evaluation mode: BatchNorm's statistics would drift otherwise.
    """

    def __init__(self, *, backbone: Backbone, head: Head, freeze_backbone: bool = False) -> None:
        super().__init__()
        self.backbone = backbone.requires_grad_(not freeze_backbone)
        self.head = head
        self.freeze_backbone = freeze_backbone
        self.train()  # Lightning keeps the mode that a module comes in

    def train(self, mode: bool = True) -> "PoseModel":
        """Sets training mode, except for a frozen backbone."""
        super().train(mode)
        if self.freeze_backbone:
            self.backbone.eval()
        return self

    def take(self, state: Mapping[str, Tensor]) -> None:
        """Loads the state of a trained model; one from before confidences gives none.

        Args:
            state: names and tensors of `state_dict`.
        """
        if not has_scale(state):
            self.head.scale = None
        self.load_state_dict(state)

    def forward(self, image: Tensor, K: Tensor) -> Prediction:
        """Predicts the pose.

        Args:
            image: (B, 3, S, S) uint8 RGB.
            K: (B, 3, 3) of the crop; the identity if unknown.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze_backbone):
            features, embedding = self.backbone.encode(image)
        return self.head(features, embedding, K)


def has_scale(state: Iterable[str]) -> bool:
    """Returns whether a state dict has the layer for the scale of the error (see `Head.scale`)."""
    return any("head.scale." in name for name in state)
