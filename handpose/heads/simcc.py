"""The SimCC head: u, v and z of each joint as distributions over bins, u and v finer than pixels.

Li et al., "SimCC: a Simple Coordinate Classification Perspective for Human Pose Estimation", ECCV
2022 (arXiv 2107.03332), with Gaussian targets as in RTMPose (Jiang et al., arXiv 2303.07399,
section 3.3). Both flatten the feature map, so each place is learned anew. Here the distribution of
u is the marginal of a 2D map, interpolated to the bins, times a factor for each bin that 1D
convolutions predict from the map pooled along v, as I2L-MeshNet does (Moon and Lee, ECCV 2020,
arXiv 2008.03713). That of v likewise.

B batch, J = 21, C channels of the decoder, s side of its map, N bins.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from handpose.backbones.top_down import TopDown
from handpose.distributed.collectives import masked_mean
from handpose.geometry.bins import (
    bin_centres,
    expected_value,
    gaussian_bins,
    likeliest_value,
    pixel_span,
)
from handpose.geometry.soft_argmax import spatial_softmax
from handpose.heads.base import Head, is_second
from handpose.heads.confidence import bins_near
from handpose.records import Features, Prediction, Target
from handpose.skeleton import NUM_JOINTS

# Width of the Gaussian of z before training, in reference bones, and the log of its largest change.
_START_WIDTH, _REACH = 0.5, 2.0


class SimCCHead(Head):
    """Feature pyramid -> for each joint, distributions over the bins of u, of v and of z.

    A joint outside the crop, or with z outside the range, has its target at the nearest end.

    Args:
        width: Channels of the decoder.
        stride: Of the decoder's map in px; may be finer than the finest level's.
        split: Bins of u and v per px.
        z_bins: Bins of z.
        z_range: z of the bins goes from minus to plus this, in reference bones. Fingertips are at
            most about 2.5 from the wrist.
        sigma: Of the target Gaussians, in bins.
        bins_weight: Of the cross-entropy to the target Gaussians; for z times `depth_weight`.
        pose_weight: Of the errors of the decoded u, v and z.
        decode: "mean" of a distribution, or centre of its "likeliest" bin.
        **contract: See `Head`.
    """

    decoder: TopDown

    def __init__(
        self,
        *,
        width: int = 64,
        stride: int = 4,
        split: int = 2,
        z_bins: int = 256,
        z_range: float = 3.0,
        sigma: float = 4.0,
        bins_weight: float = 0.2,
        pose_weight: float = 1.0,
        decode: str = "mean",
        **contract: Any,
    ) -> None:
        super().__init__(**contract)
        self.sigma, self.bins_weight, self.pose_weight = sigma, bins_weight, pose_weight
        self.takes_likeliest = is_second(decode, "decode", "mean", "likeliest")
        across = (pixel_span(self.image_size), self.image_size * split)
        self.axes = (across, across, ((-z_range, z_range), z_bins))  # span, N of u, v, z
        self.decoder = TopDown(
            channels=contract["channels"],
            strides=contract["strides"],
            width=width,
            stride=stride,
            image_size=self.image_size,
        )
        self.maps = nn.Conv2d(width, NUM_JOINTS, 1)
        self.lines = nn.ModuleList(_Line(width, stride * split) for _ in "uv")
        self.depth = _Depth(width, self.axes[2])

    def predict_uvz(self, features: Features, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the pose, and the log-probabilities of the bins of u, v and z (B, J, sum of N).

        z is read from the decoder's map around the joint, weighted by the 2D map.
        """
        decoded = self.decoder(features)
        maps = self.maps(decoded).float()
        u, v = (
            (line(decoded, pooled).float() + _marginal(maps, pooled, count)).log_softmax(-1)
            for line, pooled, (_, count) in zip(self.lines, (2, 3), self.axes[:2], strict=True)
        )
        seen = torch.einsum("bjyx,bcyx->bjc", spatial_softmax(maps), decoded.float())
        z = self.depth(seen)
        parts = (u, v, z.log_softmax(-1))
        value = likeliest_value if self.takes_likeliest else expected_value
        values = [value(p.exp(), span) for p, (span, _) in zip(parts, self.axes, strict=True)]
        return torch.stack(values, dim=-1), torch.cat(parts, dim=-1)

    def raw_confidence(self, uv: Tensor, evidence: Tensor) -> Tensor:
        u, v, _ = self._parts(evidence)
        return bins_near(u, v, uv, self.image_size)

    def loss(self, prediction: Prediction, target: Target) -> dict[str, Tensor]:
        """Adds "loss_bins_uv" and "loss_bins_z", cross-entropies to `gaussian_bins`.

        They are the KL divergence from the target up to its entropy, which is constant.
        """
        terms, own = super().loss(prediction, target), self.own_target(target)
        u, v, z = (
            -(gaussian_bins(own.uvz[..., axis], span, count, self.sigma) * part).sum(-1)
            for axis, (part, (span, count)) in enumerate(
                zip(self._parts(prediction.log_bins), self.axes, strict=True)
            )
        )
        bins = {
            "loss_bins_uv": masked_mean((u + v) / 2, own.uv_valid),
            "loss_bins_z": masked_mean(z, own.z_valid),
        }
        pose = terms["loss_uv"] + self.depth_weight * terms["loss_z"]
        pull = bins["loss_bins_uv"] + self.depth_weight * bins["loss_bins_z"]
        loss = terms["loss"] + (self.pose_weight - 1) * pose + self.bins_weight * pull
        return {**terms, "loss": loss, **bins}

    def _parts(self, log_bins: Tensor) -> tuple[Tensor, ...]:
        """Of u, v and z, each (B, J, N)."""
        return log_bins.split([count for _, count in self.axes], dim=-1)


class _Depth(nn.Module):
    """Features of each joint -> logits of the bins of z: a Gaussian times a factor for each bin.

    The factors are 1 before training, so z is learned as by a linear regression at first.

    Args:
        width: C.
        axis: Span and number of the bins.
    """

    def __init__(self, width: int, axis: tuple[tuple[float, float], int]) -> None:
        super().__init__()
        self.span, self.count = axis
        self.gaussian = nn.Conv1d(NUM_JOINTS * width, NUM_JOINTS * 2, 1, groups=NUM_JOINTS)
        self.factors = nn.Conv1d(NUM_JOINTS * width, NUM_JOINTS * axis[1], 1, groups=NUM_JOINTS)
        for parameter in self.factors.parameters():
            nn.init.zeros_(parameter)

    def forward(self, seen: Tensor) -> Tensor:
        """(B, J, C) -> (B, J, N)."""
        read = seen.flatten(1)[..., None].to(self.factors.weight.dtype)
        mean, scale = self.gaussian(read).float().unflatten(1, (NUM_JOINTS, 2)).unbind(2)
        width = _START_WIDTH * torch.exp(_REACH * torch.tanh(scale / _REACH))
        centres = bin_centres(self.span, self.count, seen.device)
        factors = self.factors(read).float().unflatten(1, (NUM_JOINTS, -1))[..., 0]
        return factors - ((centres - mean) / width).square() / 2


def _marginal(maps: Tensor, pooled: int, count: int) -> Tensor:
    """Log of the sum of exp(maps) along an axis, interpolated to bins: (B, J, count)."""
    return F.interpolate(maps.logsumexp(pooled), size=count, mode="linear")


class _Line(nn.Module):
    """Map -> log factors of the bins along one axis; each cell gives those of its own bins.

    They are 0 before training.

    Args:
        width: C.
        bins: Per cell.
    """

    def __init__(self, width: int, bins: int) -> None:
        super().__init__()
        self.bins = bins
        self.layers = nn.Sequential(
            nn.Conv1d(2 * width, width, 3, padding=1, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(inplace=True),
            nn.Conv1d(width, NUM_JOINTS * bins, 3, padding=1),
        )
        for parameter in self.layers[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, maps: Tensor, pooled: int) -> Tensor:
        """Returns (B, J, s * bins).

        Args:
            maps: (B, C, s, s).
            pooled: The axis of `maps` to pool, by mean and maximum.
        """
        line = torch.cat((maps.mean(pooled), maps.amax(pooled)), dim=1)
        cells = self.layers(line).unflatten(1, (NUM_JOINTS, self.bins))
        return cells.transpose(2, 3).flatten(2)
