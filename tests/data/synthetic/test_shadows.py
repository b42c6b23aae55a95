"""Shadows of a ball agree with rays cast through it."""

import numpy as np
import pytest

from handpose.data.synthetic.lights import Light, Lighting
from handpose.data.synthetic.mesh import Mesh
from handpose.data.synthetic.objects import sample_thing, thing_mesh
from handpose.data.synthetic.shadows import (
    shadow_map,
    shadow_on,
    shadow_on_wall,
    wall_corners,
    wall_light,
)

SIZE = 96
CENTRE, RADIUS, WALL = np.array([0.01, -0.02, 0.6]), 0.05, 0.75
K = np.array([[180, 0, 47.5], [0, 180, 47.5], [0, 0, 1]], np.float32)
# From the left and above, from the right and below, and from the camera.
DIRECTIONS = [[-0.5, -0.4, -0.8], [0.4, 0.3, -0.9], [0.0, 0.0, -1.0]]


def _ball() -> Mesh:
    thing = sample_thing(np.random.default_rng(0), "ball")
    mesh, _ = thing_mesh(thing._replace(half=np.full(3, RADIUS)))
    return mesh._replace(vertices=(mesh.vertices + CENTRE).astype(np.float32))


def _unit(direction: list[float]) -> np.ndarray:
    return (np.array(direction) / np.linalg.norm(direction)).astype(np.float32)


def _hit(points: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Whether the ball is between points (N, 3) and the light."""
    offset = CENTRE - points
    ahead = offset @ direction
    return (ahead > 0) & (np.linalg.norm(offset - ahead[:, None] * direction, axis=1) < RADIUS)


def _wall_points() -> np.ndarray:
    v, u = np.mgrid[:SIZE, :SIZE].reshape(2, -1)
    rays = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones(SIZE * SIZE)], 1)
    return rays * WALL


@pytest.mark.parametrize("towards", DIRECTIONS)
def test_the_shadow_on_a_wall_is_where_rays_to_the_light_meet_the_ball(
    towards: list[float],
) -> None:
    direction = _unit(towards)
    shadows = shadow_map(_ball(), direction, wall_corners(K, WALL, SIZE))
    found = shadow_on_wall(shadows, K, WALL, 0.0, SIZE).ravel() > 0.5
    expected = _hit(_wall_points(), direction)
    assert expected.sum() > 300
    assert (found & expected).sum() > 0.93 * (found | expected).sum()


def test_a_wider_blur_softens_the_edge_and_keeps_the_shadow_in_place() -> None:
    shadows = shadow_map(_ball(), _unit(DIRECTIONS[0]), wall_corners(K, WALL, SIZE))
    sharp, soft = (shadow_on_wall(shadows, K, WALL, blur, SIZE) for blur in (0.0, 0.01))
    assert np.abs(np.diff(soft, axis=1)).max() < 0.5 * np.abs(np.diff(sharp, axis=1)).max()
    for axis in (0, 1):
        middle = [np.average(np.arange(SIZE), weights=m.sum(axis=axis)) for m in (sharp, soft)]
        assert middle[0] == pytest.approx(middle[1], abs=1.0)


def test_points_behind_the_ball_are_dark_and_its_lit_side_is_not() -> None:
    direction = _unit(DIRECTIONS[0])
    rng = np.random.default_rng(1)
    around = rng.normal(size=(3000, 3))
    around /= np.linalg.norm(around, axis=1, keepdims=True)
    facing = around @ direction
    lit = around[facing > 0.3]
    behind = CENTRE + rng.uniform(-0.06, 0.06, (3000, 3)) - 0.12 * direction
    casters = _ball()
    shadows = shadow_map(casters, direction, np.concatenate([casters.vertices, behind]))
    assert shadow_on(shadows, (CENTRE + RADIUS * lit).T, lit.T).max() < 0.1
    normals = np.broadcast_to(direction[:, None], (3, 3000))
    found = shadow_on(shadows, behind.T.astype(np.float32), normals)
    assert ((found > 0.5) == _hit(behind, direction)).mean() > 0.97


def test_light_from_behind_the_wall_casts_no_shadow_on_it() -> None:
    shadows = shadow_map(_ball(), _unit([0.3, 0.0, 0.9]), wall_corners(K, WALL, SIZE))
    assert not shadow_on_wall(shadows, K, WALL, 0.01, SIZE).any()


def test_what_a_shadow_leaves_of_a_wall_is_the_other_light() -> None:
    ambient, front = np.full(3, 0.25, np.float32), _unit([0, 0, -1])
    key = Light(front, np.array([0.75, 0.5, 0.0], np.float32))
    left = wall_light(Lighting(ambient, [key]), np.array([[0.0, 1.0]]))
    np.testing.assert_allclose(left[0, 0], 1.0)
    np.testing.assert_allclose(left[0, 1] ** 2, [0.25, 1 / 3, 1.0], rtol=1e-6)
