"""What the relative objective predicts: the map between two views, and how wide each part ranges.

T2 . T1^-1 in crop coordinates (origin at the crop's centre, unit S), and C2 . C1^-1 for colours.
Swapping the views gives the inverse map, which a mere difference of parameters does not.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from handpose.augment.colour import relative_colour, relative_colour_valid
from handpose.augment.settings import Augmentation, Range
from handpose.geometry.affine import relative, to_unit_frame
from handpose.records import ViewParams


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
