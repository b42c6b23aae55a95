"""Calibrated confidence: linear layers fitted to validation hands after the training.

They read how each level of the features is spread over the crop, and the head's own confidence.
They predict the log of each joint's error, and whether there is a hand at all:

    P(correct) = P(hand) P(correct | hand)

B batch, J = 21, F inputs.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from handpose.records import Features
from handpose.skeleton import NUM_JOINTS

# A joint is correct if its 2D error is at most this part of the side of the joints' box (PCK).
# A hand is correct if the mean error of its joints is.
CORRECT_WITHIN = 0.1
_MOST_DEVIATIONS = 10.0  # of an input from the mean of the hands
_LEAST_ODDS = 1e-3  # of the head's own confidence, before its logarithm


def describe(features: Features, confidence: Tensor) -> Tensor:
    """Returns the inputs of the calibration, (B, F).

    They are the mean and the deviation of each channel, and the log odds of the confidence.

    Args:
        features: Level i is (B, channels[i], h, w).
        confidence: Of the head, (B, J) or (B, 0).
    """
    flat = [level.detach().float().flatten(2) for level in features]
    odds = torch.logit(confidence.detach().float(), eps=_LEAST_ODDS)
    parts = [part for level in flat for part in (level.mean(2), level.std(2, correction=0))]
    return torch.cat([*parts, odds], dim=1)


class Calibration(nn.Module):
    """Inputs of `describe` -> confidence of each joint and of the hand.

    Its tensors are no part of a model's state dict; `state` gives them.

    Attributes:
        mean: (F,) of the validation hands' inputs.
        spread: (F,) their deviation.
        weight: (F, J + 1), of the log errors, in sides of the box, and of the score for a hand.
        bias: (J + 1,).
        present: (2,) slope and offset from the score to the log odds of a hand.
        joint: (2,) slope and offset from a joint's margin to the log odds that it is correct.
        hand: (2,) the same for the hand.
    """

    mean: Tensor
    spread: Tensor
    weight: Tensor
    bias: Tensor
    present: Tensor
    joint: Tensor
    hand: Tensor

    def __init__(self, **tensors: Tensor) -> None:
        super().__init__()
        for name in Calibration.__annotations__:
            self.register_buffer(name, tensors.pop(name).float(), persistent=False)
        assert not tensors, tensors.keys()

    def state(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, on the CPU."""
        return {name: getattr(self, name).cpu() for name in Calibration.__annotations__}

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Returns confidences (B, J) and (B,).

        Args:
            inputs: (B, F).
        """
        found = standardised(inputs, self.mean, self.spread) @ self.weight + self.bias
        log_error, score = found[:, :NUM_JOINTS], found[:, NUM_JOINTS]
        present = rescaled(score, self.present).sigmoid()
        joint, hand = margins(log_error)
        joint, hand = rescaled(joint, self.joint).sigmoid(), rescaled(hand, self.hand).sigmoid()
        return present[:, None] * joint, present * hand


def standardised(inputs: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
    """Returns inputs in deviations from the mean, bounded.

    Args:
        inputs: (B, F).
        mean: (F,).
        spread: (F,).
    """
    return ((inputs - mean) / spread).clamp(-_MOST_DEVIATIONS, _MOST_DEVIATIONS)


def margins(log_error: Tensor) -> tuple[Tensor, Tensor]:
    """Returns how far below the limit the errors are, as logarithms: joints (B, J), hands (B,).

    Args:
        log_error: (B, J) predicted, in sides of the box.
    """
    of_hand = torch.logsumexp(log_error, dim=1) - math.log(log_error.shape[1])
    limit = math.log(CORRECT_WITHIN)
    return limit - log_error, limit - of_hand


def rescaled(value: Tensor, line: Tensor) -> Tensor:
    """Returns slope * value + offset.

    Args:
        value: Any shape.
        line: (2,) slope and offset.
    """
    return line[0] * value + line[1]
