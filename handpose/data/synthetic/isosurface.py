"""From a signed distance on a grid to a closed triangle mesh (naive surface nets)."""

import numpy as np

_CORNERS = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
_EDGES = [(0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (4, 6), (5, 7)]
_EDGES += [(0, 4), (1, 5), (2, 6), (3, 7)]


def surface_net(
    distance: np.ndarray, origin: np.ndarray, step: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mesh the zero level of `distance` (X, Y, Z), negative inside and positive at the border.

    Node (i, j, k) lies at origin (3,) + step * (i, j, k). Returns vertices (V, 3) in the unit of
    `step` and faces (F, 3), counter-clockwise seen from outside.
    """
    corners = np.stack([_corner(distance, c) for c in _CORNERS])
    inside = corners < 0
    cells = np.argwhere(inside.any(axis=0) & ~inside.all(axis=0))
    values = corners[:, cells[:, 0], cells[:, 1], cells[:, 2]]
    vertices = origin + step * (cells + _crossing_mean(values))
    number = np.full(corners.shape[1:], -1, dtype=np.int64)
    number[tuple(cells.T)] = np.arange(len(cells))
    faces = np.concatenate([_faces_across(distance < 0, number, axis) for axis in range(3)])
    return vertices, faces


def _corner(distance: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """(X-1, Y-1, Z-1) the value at one corner of every cell."""
    window = tuple(slice(c, n - 1 + c) for c, n in zip(corner, distance.shape, strict=True))
    return distance[window]


def _crossing_mean(values: np.ndarray) -> np.ndarray:
    """(N, 3) in cells: the mean point where the surface crosses a cell's edges; values (8, N)."""
    total, count = np.zeros((values.shape[1], 3)), np.zeros((values.shape[1], 1))
    for a, b in _EDGES:
        crossed = ((values[a] < 0) != (values[b] < 0))[:, None]
        gap = np.where(crossed[:, 0], values[a] - values[b], 1.0)
        t = (values[a] / gap)[:, None]
        total += crossed * (_CORNERS[a] * (1 - t) + _CORNERS[b] * t)
        count += crossed
    return total / count


def _faces_across(inside: np.ndarray, number: np.ndarray, axis: int) -> np.ndarray:
    """(F, 3) two triangles around each grid edge along `axis` whose ends lie on different sides."""
    order = [axis, (axis + 1) % 3, (axis + 2) % 3]
    inside, number = inside.transpose(order), number.transpose(order)
    near, far = inside[:-1, 1:-1, 1:-1], inside[1:, 1:-1, 1:-1]
    i, j, k = np.nonzero(near != far)
    quad = np.stack(
        [number[i, j, k], number[i, j + 1, k], number[i, j + 1, k + 1], number[i, j, k + 1]], axis=1
    )
    quad = np.where(near[i, j, k][:, None], quad, quad[:, ::-1])
    return np.concatenate([quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]])
