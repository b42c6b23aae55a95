"""A small MLP that corrects the solved root depth. B batch, J = 21; lengths in reference bones.

The solve reads one bone and inherits the errors of its two ends. The other joints show the scale as
well: a real hand has natural proportions at the right depth only. After Spurr et al., "Weakly
Supervised 3D Hand Pose Estimation via Biomechanical Constraints", ECCV 2020 (arXiv 2003.09282),
whose refinement reads the 2.5D pose, as rays and relative depths, and the solved depth. Here they
are read as the hand they describe, placed at the solved depth.
"""

import math

import torch
from torch import Tensor, nn

from handpose.geometry.pose25d import ROOT_DEPTH_RANGE, uvz_to_xyz
from handpose.skeleton import NUM_JOINTS, ROOT

_HIDDEN = 256
_MIN_LENGTH = 0.01  # of a distance between two joints, before its logarithm
# Rough mean and deviation of a log distance and of a log root depth: the MLP has few steps.
_LOG_DISTANCE = (-0.4, 0.5)
_LOG_DEPTH = (2.0, 0.25)


class RootDepthRefiner(nn.Module):
    """2.5D pose and solved root depth -> refined root depth.

    Reads the logarithms of the distances between all pairs of joints and of the solved depth, and
    the joints relative to the root. Predicts the logarithm of a factor on the solved depth, 0
    before training, so training starts at the solve. Clamped to ROOT_DEPTH_RANGE. Call it in
    float32, outside autocast.
    """

    pairs: Tensor  # (2, P) of joints

    def __init__(self) -> None:
        super().__init__()
        pairs = torch.triu_indices(NUM_JOINTS, NUM_JOINTS, 1)
        self.register_buffer("pairs", pairs, persistent=False)
        width = pairs.shape[1] + 3 * (NUM_JOINTS - 1) + 1
        last = nn.Linear(_HIDDEN, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.mlp = nn.Sequential(nn.Linear(width, _HIDDEN), nn.ReLU(inplace=True), last)

    def forward(self, uvz: Tensor, K: Tensor, solved: Tensor) -> Tensor:
        """Returns the refined root depth (B,).

        Args:
            uvz: Predicted pose (B, J, 3) px, px, reference bones.
            K: (B, 3, 3) of the crop.
            solved: Root depth (B,).
        """
        inputs = _features(uvz_to_xyz(uvz, K, solved), solved, self.pairs)
        log_factor = self.mlp(inputs).squeeze(-1)
        low, high = (math.log(end) - solved.log() for end in ROOT_DEPTH_RANGE)
        return _bounded(solved * _bounded(log_factor, low, high).exp(), *ROOT_DEPTH_RANGE)


def _bounded(value: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    """Clamped, but with the unclamped gradient: a value outside the range can return."""
    return value.clamp(low, high).detach() + (value - value.detach())  # type: ignore[arg-type]


def _features(xyz: Tensor, solved: Tensor, pairs: Tensor) -> Tensor:
    """Inputs of about unit size, from hands (B, J, 3) at their solved depth (B,)."""
    first, second = pairs.unbind()
    distance = (xyz[:, first] - xyz[:, second]).norm(dim=-1).clamp(min=_MIN_LENGTH).log()
    depth = solved.log()[:, None]
    joints = (xyz - xyz[:, ROOT, None])[:, ROOT + 1 :].flatten(1)
    read = (_standard(distance, *_LOG_DISTANCE), joints, _standard(depth, *_LOG_DEPTH))
    return torch.cat(read, dim=1)


def _standard(values: Tensor, mean: float, deviation: float) -> Tensor:
    return (values - mean) / deviation
