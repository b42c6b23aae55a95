"""Objects and second hands are drawn as one mesh would be, and leave the labels as they are."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from handpose.data.synthetic import render
from handpose.data.synthetic.composition import Composition, compose, interpolate
from handpose.data.synthetic.domain import DOMAINS, Domain, split_draws
from handpose.data.synthetic.objects import sample_thing
from handpose.data.synthetic.raster import rasterise
from handpose.data.synthetic.render import RenderedHand, render_hand, render_right_hand
from handpose.data.synthetic.scene import WRIST_END, Owner, image_points, pose_hand
from handpose.data.synthetic.second_hand import draw_beside, sample_second_hand

SIZE, FINE = 64, 96
SCALE = np.float32(FINE / SIZE)
SEEDS = range(12)
BARE = DOMAINS["wild"]._replace(held_object=0.0, second_hand=0.0, cast_shadow=0.0, occluder=0.0)
FULL = BARE._replace(held_object=1.0, second_hand=1.0, cast_shadow=1.0, occluder=1.0)


def _composed(seed: int, domain: Domain = FULL) -> Composition:
    draws = split_draws(np.random.default_rng(seed), domain)
    thing = sample_thing(draws.held)
    hand = pose_hand(draws, SIZE, "any", thing=thing)
    return compose(draws, hand, FINE, SCALE, domain)


def _render(seed: int, domain: Domain) -> tuple[RenderedHand, np.ndarray]:
    return render_right_hand(
        np.random.default_rng(seed), size=SIZE, orientation="any", domain=domain
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_the_joined_fragments_are_those_of_one_mesh(seed: int) -> None:
    scene = _composed(seed)
    points = image_points(scene.hand.K, scene.mesh.vertices, SCALE)
    whole = rasterise(points, scene.mesh.vertices[:, 2], scene.mesh.faces, FINE)
    np.testing.assert_array_equal(scene.fragments.pixel, whole.pixel)
    np.testing.assert_allclose(scene.fragments.depth, whole.depth, atol=2e-6)
    same = scene.owner[scene.fragments.face] == scene.owner[whole.face]
    assert same.mean() > 0.99


def test_every_owner_has_its_faces_and_is_seen() -> None:
    seen: set[int] = set()
    for seed in SEEDS:
        scene = _composed(seed)
        counts = np.bincount(scene.owner, minlength=len(Owner))
        assert (np.diff(scene.owner.astype(int)) != 0).sum() == (counts > 0).sum() - 1
        held = scene.hand.held
        assert counts[Owner.OBJECT] == (0 if held is None else len(held.mesh.faces))
        assert (counts[Owner.SECOND_HAND] > 0) == (scene.second is not None)
        seen |= set(scene.owner[scene.fragments.face].tolist())
    assert seen == set(Owner)


@pytest.mark.parametrize("seed", SEEDS)
def test_visible_points_look_at_the_camera_also_on_a_left_second_hand(seed: int) -> None:
    scene = _composed(seed)
    normals, _ = interpolate(scene)
    row, column = np.divmod(scene.fragments.pixel, FINE)
    K = scene.hand.K
    rays = np.stack([column, row]) / SCALE - K[:2, 2:]
    rays = np.concatenate([rays / K[[0, 1], [0, 1]][:, None], np.ones((1, len(row)))])
    facing = (normals * rays).sum(axis=0) < 0.05
    owner = scene.owner[scene.fragments.face]
    for number in np.unique(owner[owner != Owner.SLEEVE]):
        assert facing[owner == number].mean() > 0.9, Owner(number)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_seen_at_a_joint_lies_before_it(seed: int) -> None:
    scene = _composed(seed)
    depth = np.zeros(FINE * FINE)
    depth[scene.fragments.pixel] = scene.fragments.depth
    column, row = np.rint(image_points(scene.hand.K, scene.hand.joints, SCALE)).astype(int).T
    at = depth[row * FINE + column]
    assert (at > 0).mean() > 0.9
    assert (at - scene.hand.joints[:, 2]).max() < 0.012


def test_a_second_hand_and_shadows_leave_pose_and_camera_as_they_are() -> None:
    for seed in SEEDS:
        bare, _ = _render(seed, BARE)
        full, _ = _render(seed, BARE._replace(second_hand=1.0, cast_shadow=1.0, occluder=1.0))
        for name in ("uv", "xyz", "K"):
            np.testing.assert_array_equal(getattr(full, name), getattr(bare, name))
        assert not np.array_equal(full.image, bare.image)


def test_about_three_fifths_of_the_labelled_hand_stay_visible(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scenes: list[Composition] = []

    def recorded(*arguments: Any) -> Composition:
        scenes.append(compose(*arguments))
        return scenes[-1]

    monkeypatch.setattr(render, "compose", recorded)
    shares = [_render(seed, FULL)[1].sum() for seed in range(80)]
    shares = [px / _px_alone(scene) for px, scene in zip(shares, scenes, strict=True)]
    assert min(shares) > 0.57
    assert max(shares) <= 1.0
    assert np.mean(shares) < 0.9  # much is hidden
    for scene, share in zip(scenes, shares, strict=True):
        assert share < 1.02 - scene.hidden  # and an occluder hides more


def _px_alone(scene: Composition) -> int:
    """Px of the labelled hand with nothing else before the camera."""
    bare = scene.hand._replace(held=None)
    alone = compose(split_draws(np.random.default_rng(0), BARE), bare, FINE, SCALE, BARE)
    _, rest = interpolate(alone)
    owner = alone.owner[alone.fragments.face]
    return int(((owner == Owner.HAND) & (rest[1] > WRIST_END)).sum())


@pytest.mark.parametrize("before", [True, False])
def test_a_second_hand_does_not_cut_the_first(before: bool) -> None:
    shared = 0
    for seed in SEEDS:
        first = _composed(seed, BARE)
        second = sample_second_hand(np.random.default_rng(seed), first.hand)
        depth = np.zeros(FINE * FINE, np.float32)
        depth[first.fragments.pixel] = first.fragments.depth
        placed = draw_beside(second, FINE, SCALE, depth, before)
        if placed is None:
            continue
        moved, drawn = placed
        np.testing.assert_allclose(
            image_points(moved.K, moved.mesh.vertices, SCALE),
            image_points(second.K, second.mesh.vertices, SCALE),
            atol=1e-2,
        )
        gap = depth[drawn.pixel] - drawn.depth
        gap = gap[depth[drawn.pixel] > 0] * (1 if before else -1)
        assert (gap > 0.0139).all()
        shared += len(gap)
    assert shared > 1000


def test_the_same_seed_gives_the_same_bytes_and_others_do_not() -> None:
    images = [
        render_hand(np.random.default_rng(seed), size=SIZE, orientation="any", domain=FULL).image
        for seed in (0, 0, 1, 2)
    ]
    assert np.array_equal(images[0], images[1])
    assert not any(np.array_equal(a, b) for a, b in pairwise(images[1:]))
