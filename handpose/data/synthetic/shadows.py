"""Shadows of the key light, on all that is drawn and on a wall behind it: a shadow map.

The map is what the light sees, drawn by the z-buffer: parallel rays, metres, camera frame.
"""

from typing import NamedTuple

import cv2
import numpy as np

from handpose.data.synthetic.composition import Composition
from handpose.data.synthetic.lights import Light, Lighting
from handpose.data.synthetic.mesh import Mesh
from handpose.data.synthetic.raster import rasterise

_SIZE = 176  # px of the map
_OFF_SURFACE = 0.003  # metres that a point is moved out along its normal before it is looked up
_BIAS = 0.0025  # metres behind the map that count as lit
_LEAST_FRONT = 0.25  # cosine between the light and the line of sight; less casts none on the wall
_WALL = (0.015, 0.40)  # metres from what is drawn to the wall
_SOFTNESS = (0.01, 0.09)  # spread of a shadow's edge per metre that it falls
_FAR = 1e3  # depth of the map where nothing is


class Shadows(NamedTuple):
    """What is missing of the key light, 0..1."""

    points: np.ndarray  # (N,) float32, at the visible points
    wall: np.ndarray  # (size, size) float32, on a wall behind all that is drawn


class ShadowMap(NamedTuple):
    """Depths seen from the light."""

    axes: np.ndarray  # (3, 3) float32, rows: right, down and along the light
    low: np.ndarray  # (2,) right and down of the first pixel, metres
    scale: float  # px per metre
    depth: np.ndarray  # (M, M) metres along the light, `_FAR` where nothing is


def cast_shadows(
    rng: np.random.Generator, scene: Composition, normals: np.ndarray, light: Light
) -> Shadows:
    """Draw a wall behind the scene, and compute the shadows of one light on both.

    Args:
        rng: source of all randomness.
        scene: what casts shadows.
        normals: (3, N) unit, at its visible points.
        light: the key light.
    """
    K, depth, size = scene.hand.K, scene.fragments.depth, round(scene.fine / scene.scale)
    gap = _WALL[0] + (_WALL[1] - _WALL[0]) * rng.random() ** 3
    blur = rng.uniform(*_SOFTNESS) * (gap + 0.05)
    wall = float(depth.max() + gap)
    points = _points(scene)
    vertices = scene.mesh.vertices.copy()
    vertices[:, 2] = np.minimum(vertices[:, 2], wall - 0.001)  # an arm may reach through the wall
    corners = wall_corners(K, wall, size)
    casters = scene.mesh._replace(vertices=vertices)
    shadows = shadow_map(casters, light.direction, np.concatenate([points.T, corners]))
    on_wall = shadow_on_wall(shadows, K, wall, blur, size)
    return Shadows(shadow_on(shadows, points, normals), on_wall)


def wall_light(lighting: Lighting, shadow: np.ndarray) -> np.ndarray:
    """Compute what shadows leave of the brightness of a wall's image.

    Args:
        lighting: all lights; the first is in shadow.
        shadow: (size, size) in 0..1.

    Returns:
        (size, size, 3) float32 factors of an sRGB image.
    """
    facing = [max(-float(light.direction[2]), 0.0) * light.colour for light in lighting.lights]
    whole = lighting.ambient + sum(facing)
    left = np.sqrt(1.0 - shadow[..., None] * (facing[0] / whole))
    return np.asarray(left, np.float32)


def _points(scene: Composition) -> np.ndarray:
    """Return (3, N) float32, metres, where the visible points are."""
    K, fragments = scene.hand.K, scene.fragments
    row, column = np.divmod(fragments.pixel, scene.fine)
    place = (np.stack([column, row]).astype(np.float32) + 0.5) / scene.scale - 0.5
    rays = (place - K[:2, 2:]) / K[[0, 1], [0, 1]][:, None]
    return np.concatenate([rays * fragments.depth, fragments.depth[None]]).astype(np.float32)


def shadow_map(casters: Mesh, direction: np.ndarray, receivers: np.ndarray) -> ShadowMap:
    """Draw the depth of the casters as the light sees it.

    Args:
        casters: all that casts shadows.
        direction: (3,) unit, from the surface to the light.
        receivers: (N, 3) points on what receives shadows: the map covers no more.
    """
    axes = _light_axes(direction)
    seen = casters.vertices @ axes.T
    around = receivers @ axes[:2].T
    low = np.maximum(seen[:, :2].min(axis=0), around.min(axis=0))
    high = np.minimum(seen[:, :2].max(axis=0), around.max(axis=0))
    scale = float((_SIZE - 1) / max((high - low).max(), 0.02))
    nearest = seen[:, 2].min() - 1.0
    points = (seen[:, :2] - low) * np.float32(scale)
    fragments = rasterise(points, seen[:, 2] - nearest, casters.faces, _SIZE)
    depth = np.full(_SIZE * _SIZE, _FAR, np.float32)
    depth[fragments.pixel] = fragments.depth + nearest
    return ShadowMap(axes, low, scale, depth.reshape(_SIZE, _SIZE))


def shadow_on(shadows: ShadowMap, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Compute how much of the light the casters keep from points.

    Args:
        shadows: the map.
        points: (3, N) metres.
        normals: (3, N) unit.

    Returns:
        (N,) float32 in 0..1, 1 in full shadow.
    """
    x, y, z = shadows.axes @ (points + np.float32(_OFF_SURFACE) * normals)
    u = (x - np.float32(shadows.low[0])) * np.float32(shadows.scale)
    v = (y - np.float32(shadows.low[1])) * np.float32(shadows.scale)
    left, top = np.floor(u).astype(np.int32), np.floor(v).astype(np.int32)
    right, down = u - left, v - top
    occluded = np.float32(0.0)
    # The four nearest pixels are compared one by one, and the answers blended.
    for i, wide in ((0, 1 - right), (1, right)):
        for j, tall in ((0, 1 - down), (1, down)):
            column, row = left + i, top + j
            inside = (column >= 0) & (column < _SIZE) & (row >= 0) & (row < _SIZE)
            place = row.clip(0, _SIZE - 1) * _SIZE + column.clip(0, _SIZE - 1)
            behind = z > shadows.depth.ravel()[place] + np.float32(_BIAS)
            occluded = occluded + (inside & behind) * wide * tall
    return np.asarray(occluded, np.float32)


def shadow_on_wall(
    shadows: ShadowMap, K: np.ndarray, wall: float, blur: float, size: int
) -> np.ndarray:
    """Compute how much of the light the casters keep from a wall across the line of sight.

    Args:
        shadows: the map; all casters are before the wall.
        K: (3, 3) camera of the image.
        wall: metres from the camera.
        blur: metres, standard deviation of the shadow's edge.
        size: side of the image in px.

    Returns:
        (size, size) float32 in 0..1, 1 in full shadow.
    """
    if shadows.axes[2, 2] < _LEAST_FRONT:  # the light comes from the side or from behind the wall
        return np.zeros((size, size), np.float32)
    mask: np.ndarray = (shadows.depth < _FAR).astype(np.float32)
    border = int(min(3 * blur * shadows.scale, _SIZE / 2)) + 1
    mask = np.pad(mask, border)
    if blur * shadows.scale > 0.3:
        mask = cv2.GaussianBlur(mask, (0, 0), blur * shadows.scale)
    # From px of the image to metres on the wall, to px of the map: an affine map.
    rays = np.linalg.inv(K.astype(np.float64)) * wall
    place = shadows.scale * (shadows.axes[:2] @ rays - np.outer(shadows.low, [0, 0, 1]))
    place[:, 2] += border
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    shadow: np.ndarray = cv2.warpAffine(mask, place, (size, size), flags=flags)
    return shadow


def wall_corners(K: np.ndarray, wall: float, size: int) -> np.ndarray:
    """Return (4, 3) metres: the image's corners on a wall across the line of sight.

    Args:
        K: (3, 3) camera of the image.
        wall: metres from the camera.
        size: side of the image in px.
    """
    low, high = -0.5, size - 0.5
    corners = np.array([[low, low, 1], [high, low, 1], [low, high, 1], [high, high, 1]])
    points: np.ndarray = (corners @ np.linalg.inv(K.astype(np.float64)).T * wall).astype(np.float32)
    return points


def _light_axes(direction: np.ndarray) -> np.ndarray:
    """Return (3, 3) float32 rows: right, down and along the light; a right-handed frame."""
    along = -direction / np.linalg.norm(direction)
    right = np.cross([0.0, 1.0, 0.0] if abs(along[1]) < 0.9 else [1.0, 0.0, 0.0], along)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(along, right), along]).astype(np.float32)
