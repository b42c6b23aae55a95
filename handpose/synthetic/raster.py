"""A z-buffer for meshes of many small triangles, all of them at once in NumPy."""

from typing import NamedTuple

import numpy as np


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
    """Draw the faces (F, 3) that look at the camera into a square of `size` px.

    uv (V, 2) px, integers are pixel centres; depth (V,) metres, positive; faces counter-clockwise
    seen from outside, by a viewer for whom v points down.
    """
    corners = [uv[faces[:, i]].astype(np.float32).T for i in range(3)]
    boxes = _visible_boxes(corners, size)
    depths = depth[faces[boxes.face]].astype(np.float32).T
    planes = _planes([c[:, boxes.face] - np.stack(boxes[1:3]) for c in corners], depths)
    owner, column, row = _candidates(boxes)
    first, second = (_evaluate(plane, owner, column, row) for plane in planes[:2])
    inside = np.flatnonzero((first >= 0) & (second >= 0) & (first + second <= 1))
    owner, column, row = owner[inside], column[inside], row[inside]
    z = _evaluate(planes[2], owner, column, row)
    pixel = (boxes.top[owner] + row) * size + boxes.left[owner] + column
    front = _nearest(pixel, z, size)
    a, b = first[inside[front]], second[inside[front]]
    return Fragments(pixel[front], boxes.face[owner[front]], np.stack([a, b, 1 - a - b]), z[front])


def _visible_boxes(corners: list[np.ndarray], size: int) -> _Boxes:
    """Boxes of the front faces that may cover a pixel; three corners, each (2, F)."""
    (ax, ay), (bx, by), (cx, cy) = corners
    low = np.ceil(np.minimum(np.minimum(*corners[:2]), corners[2])).clip(0)
    high = np.floor(np.maximum(np.maximum(*corners[:2]), corners[2])).clip(None, size - 1)
    extent = high - low + 1
    front = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax) < -1e-6
    face = np.flatnonzero(front & (extent[0] > 0) & (extent[1] > 0))
    return _Boxes(face, *(side[face].astype(np.int32) for side in [*low, *extent]))


def _planes(corners: list[np.ndarray], depth: np.ndarray) -> np.ndarray:
    """(3, 3, B) two barycentrics and the depth, each as its constant, column slope and row slope.

    corners: three of (2, B), px from the box's first pixel; depth (3, B).
    """
    a, b, c = corners
    (px, py), (qx, qy) = a - c, b - c
    area = px * qy - py * qx
    first = np.stack([c[1] * qx - c[0] * qy, qy, -qx]) / area
    second = np.stack([c[0] * py - c[1] * px, -py, px]) / area
    third = first * (depth[0] - depth[2]) + second * (depth[1] - depth[2])
    third[0] += depth[2]
    return np.stack([first, second, third]).astype(np.float32)


def _candidates(boxes: _Boxes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every pixel of every box: which box, and the column and row within it, int32."""
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
    return constant[owner] + across[owner] * column + down[owner] * row


def _nearest(pixel: np.ndarray, depth: np.ndarray, size: int) -> np.ndarray:
    """(N,) which of the candidates is in front at each pixel that has any."""
    empty = np.iinfo(np.int64).max
    key = ((depth * 1e6).astype(np.int64) << 32) | np.arange(len(pixel))
    buffer = np.full(size * size, empty)
    np.minimum.at(buffer, pixel, key)
    return buffer[buffer != empty] & 0xFFFFFFFF
