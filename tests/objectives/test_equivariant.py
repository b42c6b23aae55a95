"""PeCLR: undoing the drawn map in the projections, against slow versions and ideal projections."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from handpose.geometry.affine import apply, invert, relative
from handpose.geometry.soft_argmax import gaussian_heatmaps, soft_argmax
from handpose.objectives.equivariant import (
    Equivariant,
    ViewMap,
    undo_as_published,
    undo_on_maps,
    undo_on_points,
    view_map,
)
from handpose.objectives.nt_xent import nt_xent
from handpose.records import Views

SIZE = 32
CENTRE = (SIZE - 1) / 2
CONTRACT = dict(channels=(4, 6), strides=(4, 8), embedding_dim=6, image_size=SIZE)
WIDTHS = dict(temperature=0.5, hidden_dim=8, projection_dim=10, decoder_width=4)
MOVED = ("rotate", "crop", "random_crop")


def to_views(plain: Tensor, views: Views) -> Tensor:
    """Points (N, K, 2) of the plain crop, in its unit frame -> the same points in each view's."""
    px = plain * SIZE + CENTRE
    to_view = relative(
        views.params.plain.flatten(0, 1).double(), views.params.affine.flatten(0, 1).double()
    )
    return (apply(to_view, px) - CENTRE) / SIZE


def points(count: int, *, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 5, 2, generator=generator, dtype=torch.float64) - 0.5


def unscaled(view: ViewMap) -> ViewMap:
    return view._replace(scale=torch.ones_like(view.scale))


@pytest.mark.parametrize("side", ["right", "left"])
def test_exact_undo_brings_back_the_points_of_the_plain_crop(
    views_of: Callable, make_settings: Callable, side: str
) -> None:
    views = views_of(make_settings(*MOVED), side=side)
    plain = points(12)
    seen = to_views(plain, views)
    view = ViewMap(*(t.double() for t in view_map(views.params, SIZE)))
    assert (undo_on_points(seen, view) - plain).abs().max() < 1e-5
    assert (undo_on_points(seen, unscaled(view)) - plain).abs().max() > 1e-2
    wrong = view._replace(rotation=view.rotation.transpose(1, 2))
    assert (undo_on_points(seen, wrong) - plain).abs().max() > 1e-2


@pytest.mark.parametrize("shift", ["exact", "published"])
def test_ideal_projections_have_the_loss_of_identical_pairs(
    views_of: Callable, make_settings: Callable, shift: str
) -> None:
    settings = make_settings("rotate", "crop")
    views = views_of(settings)
    objective = Equivariant(
        shift=shift,
        scale=False,
        projection="embedding",
        augmentation=settings,
        **WIDTHS,
        **CONTRACT,
    )
    pairs = points(6).repeat_interleave(2, 0)
    ideal = to_views(pairs, views) if shift == "exact" else published(pairs, views)
    undone = objective.compared(ideal.flatten(1).unflatten(0, (6, 2)), views).flatten(2)
    identical = pairs.flatten(1).unflatten(0, (6, 2))
    loss = nt_xent(undone, views.identity, temperature=0.5)
    assert float(loss) == pytest.approx(
        float(nt_xent(identical, views.identity, temperature=0.5)), abs=1e-4
    )
    untouched = nt_xent(ideal.flatten(1).unflatten(0, (6, 2)), views.identity, temperature=0.5)
    assert float(untouched) > float(loss) + 0.01


def published(plain: Tensor, views: Views) -> Tensor:
    """What PeCLR's projections should be: turned about their mean, shifted by their own extent."""
    moved = []
    for p, view in zip(plain, zip(*view_map(views.params, SIZE), strict=True), strict=True):
        rotation, _, shift = (t.double() for t in view)
        turned = torch.stack([rotation @ (q - p.mean(0)) + p.mean(0) for q in p])
        extent = turned.max(0).values - turned.min(0).values
        moved.append(turned + shift * extent)
    return torch.stack(moved)


def slow_undo(point: Tensor, view: ViewMap, i: int, *, with_scale: bool) -> Tensor:
    """One view's points (K, 2) as PeCLR's code undoes them, with what it detaches taken as numbers.

    Its `rotate_encoding` builds a 2x3 matrix about the detached mean, as OpenCV's does.
    """
    p = point / point.square().sum().sqrt()
    extent = (p.detach().amax(0) - p.detach().amin(0)).tolist()
    p = torch.stack([p[:, axis] - view.shift[i, axis] * extent[axis] for axis in (0, 1)], dim=1)
    u, v = p.detach().mean(0).tolist()
    angle = math.atan2(float(view.rotation[i, 1, 0]), float(view.rotation[i, 0, 0]))
    factor = 1 / float(view.scale[i]) if with_scale else 1.0
    cos, sin = factor * math.cos(angle), factor * math.sin(angle)
    matrix = [[cos, sin, (1 - cos) * u - sin * v], [-sin, cos, sin * u + (1 - cos) * v]]
    homogeneous = torch.cat((p, torch.ones(len(p), 1, dtype=p.dtype)), dim=1)
    return homogeneous @ torch.tensor(matrix, dtype=p.dtype).T


@pytest.mark.parametrize("with_scale", [False, True])
def test_published_undo_has_the_value_and_the_gradient_of_a_slow_one(
    views_of: Callable, make_settings: Callable, with_scale: bool
) -> None:
    view = ViewMap(*(t.double() for t in view_map(views_of(make_settings(*MOVED)).params, SIZE)))
    seen = (3 * points(12, seed=1) + 0.4).requires_grad_()
    weights = points(12, seed=2)
    fast = undo_as_published(seen, view if with_scale else unscaled(view))
    slow = torch.stack([slow_undo(p, view, i, with_scale=with_scale) for i, p in enumerate(seen)])
    assert (fast - slow).abs().max() < 1e-6
    of_fast, of_slow = (torch.autograd.grad((u * weights).sum(), seen)[0] for u in (fast, slow))
    assert (of_fast - of_slow).abs().max() < 1e-6 * of_slow.abs().max()


@pytest.mark.parametrize("side", ["right", "left"])
def test_warped_maps_are_those_of_the_plain_crop(
    views_of: Callable, make_settings: Callable, side: str
) -> None:
    views = views_of(make_settings(*MOVED), side=side)
    plain = 0.3 * points(12)
    seen = to_views(plain, views) * SIZE + CENTRE
    drawn = gaussian_heatmaps(seen.float(), SIZE, SIZE, 1.5)
    back = undo_on_maps(drawn, view_map(views.params, SIZE))
    back = back / back.sum((2, 3), keepdim=True)
    found = (soft_argmax(back, SIZE) - CENTRE) / SIZE
    inside = ((seen > 5) & (seen < SIZE - 6)).all(-1)
    assert inside.float().mean() > 0.5
    assert (found - plain)[inside].abs().max() < 0.1 / SIZE


@pytest.mark.parametrize("projection", ["embedding", "keypoints", "maps"])
def test_gradients_reach_every_weight(
    views_of: Callable, make_settings: Callable, projection: str
) -> None:
    settings = make_settings(*MOVED)
    objective = Equivariant(
        shift="published",
        scale=False,
        projection=projection,
        augmentation=settings,
        **WIDTHS,
        **CONTRACT,
    )
    features = (torch.rand(6, 2, 4, 8, 8), torch.rand(6, 2, 6, 4, 4))
    objective(features, torch.rand(6, 2, 6), views_of(settings))["loss"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in objective.parameters())


def test_unknown_ways_are_refused(make_settings: Callable) -> None:
    settings = dict(augmentation=make_settings("rotate"), **WIDTHS, **CONTRACT)
    with pytest.raises(ValueError, match="give published or exact"):
        Equivariant(shift="right", scale=False, projection="embedding", **settings)
    with pytest.raises(ValueError, match="give embedding, keypoints or maps"):
        Equivariant(shift="exact", scale=False, projection="pixels", **settings)


def test_view_map_of_an_unmoved_view_is_the_identity(
    views_of: Callable, make_settings: Callable
) -> None:
    views = views_of(make_settings())
    rotation, scale, shift = view_map(views.params, SIZE)
    assert torch.allclose(rotation, torch.eye(2).expand(12, 2, 2), atol=1e-5)
    assert torch.allclose(scale, torch.ones(12), atol=1e-5)
    assert shift.abs().max() < 1e-5
    assert (invert(views.params.plain[:, 0]) - invert(views.params.affine[:, 0])).abs().max() < 1e-3
