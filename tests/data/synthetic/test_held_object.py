"""Objects fit their distance, and grips touch the object within the limits of the joints."""

import numpy as np
import pytest

from handpose.data.synthetic.anatomy import LIMITS, pose_skeleton, sample_proportions
from handpose.data.synthetic.domain import DOMAINS
from handpose.data.synthetic.held_object import grip
from handpose.data.synthetic.mesh import Mesh
from handpose.data.synthetic.objects import (
    KINDS,
    PINCHED,
    Thing,
    choose_thing,
    distance,
    sample_thing,
    thing_albedo,
    thing_mesh,
)

FLAT = ("ball", "marble", "box", "cube", "phone", "card", "can", "stick")  # of simple outline


def _thing(kind: str, seed: int = 0) -> Thing:
    return sample_thing(np.random.default_rng(seed), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_faces_look_outwards_and_the_mesh_is_as_large_as_the_object(kind: str) -> None:
    thing = _thing(kind)
    mesh, place = thing_mesh(thing)
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    area = np.cross(b - a, c - a)
    whole = np.linalg.norm(area, axis=1) > 1e-12
    outward = mesh.normals[mesh.faces].mean(axis=1)
    assert ((area * outward).sum(axis=1)[whole] > 0).all()
    volume = (np.cross(a, b) * c).sum() / 6
    assert 0.3 < volume / np.prod(2 * thing.half) < 1.001
    np.testing.assert_allclose(np.abs(mesh.vertices).max(axis=0), thing.half, rtol=0.02)
    assert np.abs(place[:, :2]).max() < 1.001
    assert thing_albedo(thing, place.T).shape == (3, len(place))


@pytest.mark.parametrize("kind", FLAT)
def test_distance_is_zero_on_the_mesh_and_a_length_along_its_normals(kind: str) -> None:
    thing = _thing(kind)
    mesh, _ = thing_mesh(thing)
    bevel = 0.07 * thing.half[1] if kind in ("can", "stick") else 1e-7
    assert np.abs(distance(thing, mesh.vertices)).max() < bevel
    assert distance(thing, np.zeros((1, 3)))[0] == pytest.approx(-thing.half.min())
    if kind in ("ball", "box", "phone"):
        np.testing.assert_allclose(distance(thing, mesh.vertices + 0.01 * mesh.normals), 0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_a_grip_touches_the_object_and_stays_outside_it(kind: str) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        proportions, thing = sample_proportions(rng), sample_thing(rng, kind)
        held = grip(rng, thing, proportions)
        assert (held.angles >= LIMITS[..., 0] - 1e-9).all()
        assert (held.angles <= LIMITS[..., 1] + 1e-9).all()
        joints = pose_skeleton(held.angles, proportions).joints
        skin = _surface_points(rng, held.mesh)
        gaps = np.linalg.norm(joints[:, None] - skin, axis=2).min(axis=1)
        thumb, *fingers = gaps[1:].reshape(5, 4).min(axis=1)
        # Joints lie a finger's radius below the skin.
        assert thumb < 0.022
        assert sum(gap < 0.018 for gap in fingers) >= (1 if kind in PINCHED else 3)
        assert not _inside(held.mesh, joints).any()


def _surface_points(rng: np.random.Generator, mesh: Mesh) -> np.ndarray:
    """2,000 points spread evenly over a mesh."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    face = rng.choice(len(area), 2000, p=area / area.sum())
    weights = rng.dirichlet(np.ones(3), 2000)
    points: np.ndarray = np.einsum("nij,ni->nj", mesh.vertices[mesh.faces[face]], weights)
    return points


def _inside(mesh: Mesh, points: np.ndarray) -> np.ndarray:
    """Whether points (N, 3) are behind all faces of a convex mesh (N,)."""
    heights = np.einsum("nvi,vi->nv", points[:, None] - mesh.vertices, mesh.normals)
    inside: np.ndarray = heights.max(axis=1) < 0
    return inside


def test_grips_depend_on_the_object() -> None:
    rng = np.random.default_rng(0)
    proportions = sample_proportions(rng)
    thin, thick = (
        _thing("stick")._replace(half=np.array([0.1, radius, radius])) for radius in (0.009, 0.03)
    )
    thin_grip, thick_grip = (
        grip(np.random.default_rng(5), thing, proportions).angles for thing in (thin, thick)
    )
    assert thin_grip[1:, 1:].sum() > thick_grip[1:, 1:].sum() + 1.0


def test_a_fixed_set_has_its_objects_and_no_others() -> None:
    lab = DOMAINS["lab"]._replace(held_object=1.0)
    rng = np.random.default_rng(0)
    chosen = [choose_thing(rng, lab) for _ in range(40)]
    sizes = {(thing.kind, *thing.half) for thing in chosen if thing is not None}
    assert len(sizes) == lab.num_objects
    wild = DOMAINS["wild"]._replace(held_object=1.0)
    assert len({choose_thing(rng, wild).half.tobytes() for _ in range(40)}) == 40  # type: ignore[union-attr]


def test_without_objects_no_number_is_drawn() -> None:
    rng = np.random.default_rng(0)
    assert choose_thing(rng, DOMAINS["simple"]) is None
    assert rng.random() == np.random.default_rng(0).random()
