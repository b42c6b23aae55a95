"""The pose model: a backbone and a head. B batch, S side of the crop in px."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from handpose.backbones.base import Backbone
from handpose.heads.base import Head
from handpose.heads.calibration import Calibration, describe
from handpose.records import Prediction

_BEFORE = "not calibrated: the model is from before confidences were"


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
        self.calibration: Calibration | None = None
        self.confidence_note = "not calibrated"  # empty if it is
        self.train()  # Lightning keeps the mode that a module comes in

    def train(self, mode: bool = True) -> "PoseModel":
        """Sets training mode, except for a frozen backbone."""
        super().train(mode)
        if self.freeze_backbone:
            self.backbone.eval()
        return self

    def take(self, content: Mapping[str, Any]) -> None:
        """Loads a trained model with its confidence, or without if it is from before there was one.

        Args:
            content: of `model.pt` (see `handpose.weights.torch_file`).
        """
        if not has_scale(content["state_dict"]):
            self.head.scale = None
        self.load_state_dict(content["state_dict"])
        self.backbone.take_statistics(content.get("meta", {}))
        stored = content.get("confidence", {"calibration": None, "note": _BEFORE})
        fitted = stored["calibration"]
        self.calibration = None if fitted is None else Calibration(**fitted)
        self.confidence_note = stored["note"]

    def content(self) -> dict[str, Any]:
        """Returns what `take` loads."""
        fitted = None if self.calibration is None else self.calibration.state()
        confidence = {"calibration": fitted, "note": self.confidence_note}
        return {"state_dict": self.state_dict(), "confidence": confidence}

    def forward(self, image: Tensor, K: Tensor) -> Prediction:
        """Predicts the pose.

        Args:
            image: (B, 3, S, S) uint8 RGB.
            K: (B, 3, 3) of the crop; the identity if unknown.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze_backbone):
            features, embedding = self.backbone.encode(image)
        prediction: Prediction = self.head(features, embedding, K)
        if self.calibration is None:
            return prediction
        joint, hand = self.calibration(describe(features, prediction.confidence))
        return prediction._replace(confidence=joint, hand_confidence=hand)


def has_scale(state: Iterable[str]) -> bool:
    """Returns whether a state dict has the layer for the scale of the error (see `Head.scale`)."""
    return any("head.scale." in name for name in state)
