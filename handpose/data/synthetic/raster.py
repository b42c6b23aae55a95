"""A z-buffer for meshes of many small triangles, all of them at once in NumPy."""

from typing import NamedTuple

import numpy as np

_SEAM = 1e-4  # overlap of neighbouring faces, so that rounding leaves no hole between them


class Fragments(NamedTuple):
    """The visible points of a mesh, one per covered pixel."""

    pixel: np.ndarray  # (N,) flat index v * size + u
    face: np.ndarray  # (N,) int
    weights: np.ndarray  # (3, N) float32, barycentric
    depth: np.ndarray  # (N,) float32, metres


class _Boxes(NamedTuple):
    """The pixels that the faces may cover: first column and row, number of columns and rows."""

    face: np.ndarray  # (B,) int
    left: np.ndarray  # (B,) int32, and so the others
    top: np.ndarray
    columns: np.ndarray
    rows: np.ndarray


def rasterise(uv: np.ndarray, depth: np.ndarray, faces: np.ndarray, size: int) -> Fragments:
    """Draw the faces that look at the camera into a square image.

    Args:
        uv: (V, 2) px, integers are pixel centres.
        depth: (V,) metres, positive.
        faces: (F, 3) counter-clockwise seen from outside, by a viewer for whom v points down.
        size: side of the image in px.
    """
    points = np.ascontiguousarray(np.column_stack([uv, depth]).T, dtype=np.float32)
    corners = [np.take(points, corner, axis=1) for corner in np.ascontiguousarray(faces.T)]
    boxes = _visible_boxes([corner[:2] for corner in corners], size)
    origin = np.stack([boxes.left, boxes.top, np.zeros_like(boxes.left)]).astype(np.float32)
    planes = _planes([np.take(corner, boxes.face, axis=1) - origin for corner in corners])
    owner, column, row = _candidates(boxes)
    a, b = (_evaluate(plane, owner, column, row) for plane in planes[:2])
    inside = np.flatnonzero((a > -_SEAM) & (b > -_SEAM) & (a + b < 1 + _SEAM))
    owner, column, row, a, b = (values[inside] for values in (owner, column, row, a, b))
    z = _evaluate(planes[2], owner, column, row)
    pixel = (boxes.top[owner] + row) * size + boxes.left[owner] + column
    front = _nearest(pixel, z, size)
    weights = np.stack([a, b, 1 - a - b])[:, front]
    return Fragments(pixel[front], boxes.face[owner[front]], weights, z[front])


def in_front(layers: list[Fragments], size: int) -> Fragments:
    """Join the fragments of several meshes in one z-buffer.

    Args:
        layers: fragments of each mesh, whose faces are numbered through all meshes.
        size: side of the image in px.
    """
    pixel, face, depth = (np.concatenate([layer[i] for layer in layers]) for i in (0, 1, 3))
    weights = np.concatenate([layer.weights for layer in layers], axis=1)
    front = _nearest(pixel, depth, size)
    return Fragments(pixel[front], face[front], weights[:, front], depth[front])


def _visible_boxes(corners: list[np.ndarray], size: int) -> _Boxes:
    """Return boxes of the front faces that may cover a pixel; three corners, each (2, F)."""
    (ax, ay), (bx, by), (cx, cy) = corners
    low = np.ceil(np.minimum(np.minimum(*corners[:2]), corners[2])).clip(0)
    high = np.floor(np.maximum(np.maximum(*corners[:2]), corners[2])).clip(None, size - 1)
    extent = high - low + 1
    front = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax) < -1e-6
    face = np.flatnonzero(front & (extent[0] > 0) & (extent[1] > 0))
    return _Boxes(face, *(side[face].astype(np.int32) for side in [*low, *extent]))


def _planes(corners: list[np.ndarray]) -> np.ndarray:
    """Return (3, 3, B) two barycentrics and the depth: constant, column slope and row slope.

    corners: three of (3, B), column and row from the box's first pixel, and depth.
    """
    a, b, c = corners
    (px, py, pz), (qx, qy, qz) = a - c, b - c
    area = px * qy - py * qx
    first = np.stack([c[1] * qx - c[0] * qy, qy, -qx]) / area
    second = np.stack([c[0] * py - c[1] * px, -py, px]) / area
    third = first * pz + second * qz
    third[0] += c[2]
    return np.stack([first, second, third])


def _candidates(boxes: _Boxes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return every pixel of every box: the box, and its column and row in it, int32."""
    count = boxes.columns * boxes.rows
    owner = np.repeat(np.arange(len(count), dtype=np.int32), count)
    before = np.cumsum(count, dtype=np.int32) - count
    place = np.arange(len(owner), dtype=np.int32) - before[owner]
    width = boxes.columns[owner]
    row = place // width
    return owner, place - row * width, row


def _evaluate(
    plane: np.ndarray, owner: np.ndarray, column: np.ndarray, row: np.ndarray
) -> np.ndarray:
    constant, across, down = plane
    value = constant[owner]
    value += across[owner] * column.astype(np.float32)
    value += down[owner] * row.astype(np.float32)
    return value


def _nearest(pixel: np.ndarray, depth: np.ndarray, size: int) -> np.ndarray:
    """Return (N,) the nearest candidate at each covered pixel."""
    empty = np.iinfo(np.int64).max
    key = ((depth * 1e6).astype(np.int64) << 32) | np.arange(len(pixel))
    buffer = np.full(size * size, empty)
    np.minimum.at(buffer, pixel, key)
    return buffer[buffer != empty] & 0xFFFFFFFF
