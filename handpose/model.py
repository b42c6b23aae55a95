"""The pose model: a backbone and a head. B batch, S side of the crop in px."""

import torch
from torch import Tensor, nn

from handpose.backbones.base import Backbone, normalise
from handpose.heads.base import Head
from handpose.records import Prediction


class PoseModel(nn.Module):
    """uint8 crops (B, 3, S, S) and their K (B, 3, 3) -> Prediction.

    Args:
        backbone, head: its two parts.
        freeze_backbone: the backbone keeps every parameter and every buffer bit for bit: it gets
            no gradient and stays in evaluation mode, for BatchNorm's statistics drift otherwise.
    """

    def __init__(self, *, backbone: Backbone, head: Head, freeze_backbone: bool) -> None:
        super().__init__()
        self.backbone = backbone.requires_grad_(not freeze_backbone)
        self.head = head
        self.freeze_backbone = freeze_backbone
        self.train()  # nobody else may: Lightning keeps whatever mode a module comes in

    def train(self, mode: bool = True) -> "PoseModel":
        """Training mode, a frozen backbone excepted."""
        super().train(mode)
        if self.freeze_backbone:
            self.backbone.eval()
        return self

    def forward(self, image: Tensor, K: Tensor) -> Prediction:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze_backbone):
            features = self.backbone(normalise(image))
            embedding = self.backbone.embedding(features)
        return self.head(features, embedding, K)
