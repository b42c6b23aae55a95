"""A pair of views of one sample, and its HTML on the page.

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
from handpose.explore import FRAGMENTS
from handpose.geometry import affine as maps
from handpose.objectives.relative import RelativeMap, relative_map
from handpose.records import Sample, ViewParams, Views
from handpose.report.html import fragment, image_uri
from handpose.report.skeletons import draw_skeleton, joint_colours
from handpose.report.view_figures import in_words, look, pair_images, target_affine

_NEUTRAL = (0.0, 1.0, 1.0, 0.0)  # hue, saturation, gain, bias
_SIZE = 384  # px of an image on the page
_HEADINGS = ("view 1", "view 2", "view 1 moved onto view 2")


class Pair(NamedTuple):
    """Two views of a sample as pre-training gets them."""

    views: Views  # a batch of one
    uv: np.ndarray  # (3, J, 2) joints in px of each image
    valid: np.ndarray  # (J,) bool
    images: list[np.ndarray]  # view 1, view 2, view 1 moved onto view 2: (S, S, 3) uint8
    target: RelativeMap  # from view 1 to view 2, a batch of one


class Agreement(NamedTuple):
    """How far view 1, moved by the relative target, is from view 2."""

    joints: float  # px: the largest distance of a joint; 0 without labels
    pixels: float  # mean difference of the pixels that view 1 shows, 0..255
    unmoved: float  # the same for view 1 as it is


def make_pair(
    sample: Sample, settings: Augmentation, *, size: int, seed: int, time: int, index: int
) -> Pair:
    """Draws two views of a sample.

    Args:
        size: S, side of a view in px.
        time: how many times the sample was drawn before.
    """
    rng = sample_rng(seed, time, index)
    made = make_views(
        sample, settings, rng=rng, size=size, num_views=2, identity=index, index=index
    )
    views: Views = default_collate([made])
    target = relative_map(views.params, size)
    uv = [maps.apply(affine, sample.uv) for affine in made.params.affine.astype(float)]
    moved = maps.apply(target_affine(target, 0, size), uv[0])
    images = pair_images(views, target, 0)
    return Pair(views, np.stack([*uv, moved]), sample.uv_valid, images, target)


def agreement(pair: Pair) -> Agreement:
    """Measures the agreement over what both views show."""
    first, second, moved = (image.astype(np.float64) for image in pair.images)
    size = len(first)
    shown = cv2.warpAffine(np.ones((size, size)), target_affine(pair.target, 0, size), (size, size))
    inside = shown > 0.999
    distances = np.linalg.norm(pair.uv[2] - pair.uv[1], axis=1)[pair.valid]
    pixels, unmoved = (
        float(np.abs(image - second)[inside].mean()) if inside.any() else 0.0
        for image in (moved, first)
    )
    return Agreement(float(distances.max(initial=0.0)), pixels, unmoved)


def from_plain(params: ViewParams, view: int, size: int) -> RelativeMap:
    """Computes the map from the plain crop to a view, a batch of one.

    Args:
        params: parameters of both views, a batch of one.
        view: 0 or 1.
        size: S, side of a view in px.
    """
    nothing = torch.zeros_like(params.grey[:, view])
    neutral = params.colour.new_tensor(_NEUTRAL).expand_as(params.colour[:, view])
    beside = params._replace(
        affine=torch.stack((params.plain[:, view], params.affine[:, view]), dim=1),
        colour=torch.stack((neutral, params.colour[:, view]), dim=1),
        grey=torch.stack((nothing, params.grey[:, view]), dim=1),
        sobel=torch.stack((nothing, params.sobel[:, view]), dim=1),
    )
    return relative_map(beside, size)


def pair_html(pair: Pair, *, joints: bool) -> str:
    """Shows both views and view 1 moved by the relative target, with joints if `joints`."""
    images = [
        _draw_joints(image, uv, pair.valid if joints else np.zeros_like(pair.valid))
        for image, uv in zip(pair.images, pair.uv, strict=True)
    ]
    addresses = dict(zip(_HEADINGS, map(image_uri, images), strict=True))
    return fragment(FRAGMENTS, "view_pair", images=addresses, agreement=agreement(pair))


def _draw_joints(image: np.ndarray, uv: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Enlarges an image, and draws the valid joints over it."""
    large = cv2.resize(image, (_SIZE, _SIZE), interpolation=cv2.INTER_CUBIC)
    if not valid.any():
        return large
    points = maps.apply(maps.resize(image.shape[:2], large.shape[:2]), uv)
    return draw_skeleton(large, points, valid, colours=joint_colours(), thickness=3)


def parameters_html(pair: Pair, *, size: int) -> str:
    """Shows the tracked parameters of each view beside the relative target.

    Args:
        pair: the views.
        size: S, side of a view in px.
    """
    params = pair.views.params
    maps_shown = [from_plain(params, 0, size), from_plain(params, 1, size), pair.target]
    columns = [in_words(one, 0, digits=1) for one in maps_shown]
    rows = {name: [column[name] or "–" for column in columns] for name in columns[0]}
    looks = [look(params, 0, view, size) for view in (0, 1)]
    return fragment(FRAGMENTS, "parameters", rows=rows, untracked=looks)
