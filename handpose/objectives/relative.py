"""The relative objective: equivariance. Predict the map between two views from their embeddings.

The paper's "relative" (PMLR 148:255-271, section 3) with the target written as a map: T2 . T1^-1
in crop coordinates (origin at the crop's centre, unit S), and C2 . C1^-1 for the colours. Swapping
the views gives the inverse map, which a mere difference of parameters does not.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from handpose.augment.colour import relative_colour, relative_colour_valid
from handpose.augment.settings import Augmentation, Range
from handpose.geometry.affine import relative, to_unit_frame
from handpose.losses import masked_mean
from handpose.objectives.base import Objective
from handpose.records import Features, ViewParams, Views


class RelativeMap(NamedTuple):
    """The map that takes view 1 to view 2, part by part."""

    rotation: Tensor  # (B, 2) sin and cos of the angle, from u towards v
    log_scale: Tensor  # (B, 1)
    shift: Tensor  # (B, 2) of the crop's centre, in crop sides
    colour: Tensor  # (B, 4) see `relative_colour`
    colour_valid: Tensor  # (B, 4) bool


def relative_map(params: ViewParams, image_size: int) -> RelativeMap:
    """The target, from the two views' parameters (B, 2, ...); computed in float64."""
    affine: Tensor = params.affine.double()
    unit = to_unit_frame(relative(affine[:, 0], affine[:, 1]), image_size).float()
    scale = torch.linalg.det(unit[..., :2]).clamp(min=1e-12).sqrt()
    valid = relative_colour_valid(params.grey, params.sobel)
    colour = relative_colour(params.colour)
    return RelativeMap(
        rotation=torch.stack((unit[:, 1, 0], unit[:, 0, 0]), dim=-1) / scale[:, None],
        log_scale=scale.log()[:, None],
        shift=unit[..., 2],
        colour=torch.where(valid, colour, 0.0),
        colour_valid=valid,
    )


def sampling_scales(settings: Augmentation) -> dict[str, list[float]]:
    """The width of what each part can be, to standardise it; parts switched off are left out."""

    def width(bounds: Range) -> float:
        return max(bounds[1] - bounds[0], 1e-3)

    low, high = settings.margin_range if settings.random_crop else (settings.margin,) * 2
    log_gain = max(math.log(settings.gain[1] / settings.gain[0]), 1e-3)
    log_saturation = max(math.log(settings.saturation[1] / settings.saturation[0]), 1e-3)
    colour = [math.radians(width(settings.hue)), log_saturation, log_gain, width(settings.bias)]
    parts = {
        "rotation": (settings.rotate, [1.0, 1.0]),
        "log_scale": (settings.random_crop, [max(math.log(high / low), 1e-3)]),
        "shift": (settings.crop, [width(settings.shift) / low] * 2),
        "colour": (settings.colour_jitter, colour),
    }
    return {name: scale for name, (on, scale) in parts.items() if on}


class Relative(Objective):
    """L1 on each standardised part; the parts weighted by learned log-variances.

    L = sum_p exp(-s_p) L_p + s_p, Kendall et al., CVPR 2018, eq. 10 for a Laplacian. The parts are
    those that the augmentation's tracked switches turn on. Each pair is read in both orders, which
    costs but another pass of the small MLP.

    Args:
        hidden_dim: width of the pair's MLP.
        **contract: what every objective takes (see `Objective`).
    """

    def __init__(self, *, hidden_dim: int, **contract: Any) -> None:
        super().__init__(**contract)
        scales = sampling_scales(self.augmentation)
        if not scales:
            raise ValueError(
                "objective=relative has nothing to predict: turn on at least one of "
                "augment.rotate, crop, random_crop, colour_jitter"
            )
        self.widths = {name: len(scale) for name, scale in scales.items()}
        for name, scale in scales.items():
            self.register_buffer(f"scale_{name}", torch.tensor(scale), persistent=False)
        self.log_variance = nn.ParameterDict(
            {name: nn.Parameter(torch.zeros(())) for name in scales}
        )
        width = contract["embedding_dim"]
        outputs = sum(self.widths.values())
        self.difference = nn.Linear(width, outputs, bias=False)
        # sin and cos of an angle between views are products of those of the views' own angles.
        self.factors = nn.ModuleList(nn.Linear(width, hidden_dim) for _ in range(2))
        self.products = nn.Linear(hidden_dim, outputs, bias=False)
        self.mlp = nn.Sequential(
            nn.Linear(2 * width, hidden_dim),
            nn.ReLU(inplace=True),
            nn.Linear(hidden_dim, outputs),
        )

    def predict(self, embedding: Tensor) -> dict[str, Tensor]:
        """embedding (B, 2, E), in order -> each part in its own units."""
        first, second = embedding.unbind(1)
        joint = self.mlp(embedding.flatten(1)) + self.difference(second - first)
        joint = joint + self.products(self.factors[0](first) * self.factors[1](second))
        outputs = joint.float().split(list(self.widths.values()), dim=1)
        return {
            name: output * self.get_buffer(f"scale_{name}")
            for name, output in zip(self.widths, outputs, strict=True)
        }

    def forward(self, features: Features, embedding: Tensor, views: Views) -> dict[str, Tensor]:
        predicted = self.predict(_both_orders(embedding))
        target = relative_map(ViewParams(*map(_both_orders, views.params)), self.image_size)
        result: dict[str, Tensor] = {}
        total = embedding.new_zeros((), dtype=torch.float32)
        for name, output in predicted.items():
            true = getattr(target, name)
            valid = target.colour_valid if name == "colour" else torch.ones_like(true).bool()
            error = masked_mean((output - true).abs() / self.get_buffer(f"scale_{name}"), valid)
            log_variance = self.log_variance[name]
            total = total + (-log_variance).exp() * error + log_variance
            result[f"loss_{name}"] = error
        return {"loss": total, **result, **self._errors(predicted, target)}

    @torch.no_grad()
    def _errors(self, predicted: dict[str, Tensor], target: RelativeMap) -> dict[str, Tensor]:
        """Rotation and log-scale errors in plain units, beside those of the best constant.

        The median of a symmetric difference of two draws is 0, so that is the best constant.
        """
        errors = {}
        if "rotation" in predicted:
            true = torch.atan2(*target.rotation.unbind(-1))
            angle = torch.atan2(*predicted["rotation"].unbind(-1)) - true
            wrapped = torch.atan2(angle.sin(), angle.cos())
            errors["rotation_error_deg"] = wrapped.abs().mean().rad2deg()
            errors["rotation_chance_deg"] = true.abs().mean().rad2deg()
        if "log_scale" in predicted:
            errors["log_scale_error"] = (predicted["log_scale"] - target.log_scale).abs().mean()
            errors["log_scale_chance"] = target.log_scale.abs().mean()
        return errors


def _both_orders(pairs: Tensor) -> Tensor:
    """(B, 2, ...) -> (2 B, 2, ...): the pairs, then the pairs swapped."""
    return torch.cat((pairs, pairs.flip(1)))
