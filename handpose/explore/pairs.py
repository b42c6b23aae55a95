"""A pair of views of one sample: its joints, its maps, and how well view 1 moved meets view 2.

J = 21 joints, S side of a view in px.
"""

from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch.utils.data import default_collate

from handpose.augment.settings import Augmentation
from handpose.augment.views import make_views
from handpose.data.sampling import sample_rng
from handpose.geometry import affine as maps
from handpose.objectives.relative import RelativeMap, relative_map
from handpose.records import Sample, ViewParams, Views
from handpose.report.views import pair_images, target_affine

_NEUTRAL = (0.0, 1.0, 1.0, 0.0)  # hue, saturation, gain, bias


class Pair(NamedTuple):
    """Two views of a sample as pre-training gets them."""

    views: Views  # a batch of one
    uv: np.ndarray  # (2, J, 2) the joints in px of each view
    valid: np.ndarray  # (J,) bool
    pictures: list[np.ndarray]  # view 1, view 2, view 1 moved onto view 2: (S, S, 3) uint8
    moved_uv: np.ndarray  # (J, 2) view 1's joints moved by the relative target
    target: RelativeMap  # from view 1 to view 2, a batch of one


class Agreement(NamedTuple):
    """How far view 1, moved by the relative target, is from view 2."""

    joints: float  # px: the largest distance of a joint; 0 without labels
    picture: float  # mean difference of the pixels that view 1 shows, 0..255
    unmoved: float  # that of the same pixels where view 1 stays as it is


def make_pair(
    sample: Sample, settings: Augmentation, *, size: int, seed: int, time: int, index: int
) -> Pair:
    """The views that `sample` would give, the `time`-th time that it is drawn, of side `size`."""
    rng = sample_rng(seed, time, index)
    made = make_views(
        sample, settings, rng=rng, size=size, num_views=2, identity=index, index=index
    )
    views: Views = default_collate([made])
    target = relative_map(views.params, size)
    uv = np.stack([maps.apply(affine, sample.uv) for affine in made.params.affine.astype(float)])
    moved = maps.apply(target_affine(target, 0, size), uv[0])
    pictures = pair_images(views, target, 0)
    return Pair(views, uv, sample.uv_valid, pictures, moved, target)


def agreement(pair: Pair) -> Agreement:
    """Measures it over what both views show."""
    first, second, moved = (picture.astype(np.float64) for picture in pair.pictures)
    size = len(first)
    shown = cv2.warpAffine(np.ones((size, size)), target_affine(pair.target, 0, size), (size, size))
    inside = shown > 0.999
    distances = np.linalg.norm(pair.moved_uv - pair.uv[1], axis=1)[pair.valid]
    return Agreement(
        joints=float(distances.max(initial=0.0)),
        picture=_difference(moved, second, inside),
        unmoved=_difference(first, second, inside),
    )


def _difference(one: np.ndarray, other: np.ndarray, inside: np.ndarray) -> float:
    return float(np.abs(one - other)[inside].mean()) if inside.any() else 0.0


def from_plain(params: ViewParams, view: int, size: int) -> RelativeMap:
    """What was drawn for a view, as the map to it from the plain crop. A batch of one."""
    nothing = torch.zeros_like(params.grey[:, view])
    neutral = params.colour.new_tensor(_NEUTRAL).expand_as(params.colour[:, view])
    beside = params._replace(
        affine=torch.stack((params.plain[:, view], params.affine[:, view]), dim=1),
        colour=torch.stack((neutral, params.colour[:, view]), dim=1),
        grey=torch.stack((nothing, params.grey[:, view]), dim=1),
        sobel=torch.stack((nothing, params.sobel[:, view]), dim=1),
    )
    return relative_map(beside, size)
