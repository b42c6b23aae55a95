"""What is drawn on the skin: creases, wrinkles, nails, redness; two maps over the hand at rest.

The hand at rest lies flat, so that x and y alone index its palmar and its dorsal side. Painted once
per process; how strongly each marking shows is a matter of the hand.
"""

from functools import cache

import cv2
import numpy as np

from handpose.data.synthetic.template import REST, chain_radius

_RESOLUTION = 1250.0  # px per metre
_LOW, _HIGH = np.array([-0.074, -0.110]), np.array([0.112, 0.202])
_COLUMNS, _ROWS = np.ceil((_HIGH - _LOW) * _RESOLUTION).astype(int).tolist()
SHAPE: tuple[int, int] = (_ROWS, _COLUMNS)  # along y and x

_PALM_LINES = [  # mm, hand frame
    [(-39, 60), (-26, 66), (-10, 68), (4, 74), (13, 84)],
    [(33, 67), (20, 65), (2, 58), (-14, 50), (-27, 42)],
    [(33, 66), (20, 62), (9, 52), (4, 38), (4, 24), (9, 12)],
    [(-24, -3), (0, -5), (24, -3)],
    [(-22, -8), (0, -10), (22, -8)],
]


@cache
def markings() -> np.ndarray:
    """(2, 3, rows * columns) float32 in 0..1: palmar and dorsal side; crease, redness, nail."""
    return np.stack([_palmar(), _dorsal()]).reshape(2, 3, -1)


def marking_index(rest: np.ndarray) -> np.ndarray:
    """(N,) flat index into a map of SHAPE of points at rest (2, N), metres; clipped to the map."""
    low = _LOW.astype(np.float32)
    column, row = (((rest[i] - low[i]) * _RESOLUTION).astype(np.int32) for i in (0, 1))
    return row.clip(0, SHAPE[0] - 1) * SHAPE[1] + column.clip(0, SHAPE[1] - 1)


def _palmar() -> np.ndarray:
    crease, red = _blank(), _blank()
    for line in _PALM_LINES:
        _stroke(crease, _smooth_line(1e-3 * np.array(line, dtype=float)), 2, 255)
    for chain in range(5):
        places = [(0, 0.98), (1, 1.0)] if chain == 0 else [(0, 0.5), (0, 0.97), (0, 1.03), (1, 1.0)]
        for bone, t in places:
            _stroke(crease, _ring(chain, bone, t, 1.0), 2, 200)
        _blob(red, _ring(chain, 2, 0.75, 1.0).mean(axis=0), 9, 255)
    for centre in ([0.030, 0.035], [-0.030, 0.030], [-0.005, 0.080]):
        _blob(red, np.array(centre), 14, 150)
    return _finish(crease, red, _blank())


def _dorsal() -> np.ndarray:
    crease, red, nail = _blank(), _blank(), _blank()
    for chain in range(5):
        for t in (0.93, 1.0, 1.07):
            _stroke(crease, _ring(chain, 0, t, -0.7), 1, 170)
        for t in (0.96, 1.04):
            _stroke(crease, _ring(chain, 1, t, -0.7), 1, 130)
        for bone, t in ((0, 0.0), (0, 1.0), (1, 1.0), (2, 0.6)):
            _blob(red, _ring(chain, bone, t, -1.0).mean(axis=0), 9, 220)
        root, edge = _ring(chain, 2, 0.42, -0.62), _ring(chain, 2, 1.0, -0.55)
        cv2.fillPoly(nail, [_pixels(np.concatenate([root, edge[::-1]]))], 255, cv2.LINE_AA)
        _stroke(crease, np.concatenate([edge[:1], root, edge[-1:]]), 1, 140)
    return _finish(crease, red, nail)


def _ring(chain: int, bone: int, t: float, reach: float) -> np.ndarray:
    """(13, 2) metres: an arc over a finger at the part t of a bone.

    reach: 1 spans the half that its pad is on, -1 its back, less a part of it.
    """
    joints, frame = REST.joints[1 + 4 * chain :][bone : bone + 2], REST.frames[chain, bone]
    angle = np.linspace(-1.45, 1.45, 13) * abs(reach)
    facing = np.sign(reach) * frame[:, 2]
    out = np.outer(np.sin(angle), frame[:, 0]) + np.outer(np.cos(angle), facing)
    centre = joints[0] + t * (joints[1] - joints[0])
    return (centre + chain_radius(chain, bone) * out)[:, :2]


def _blank() -> np.ndarray:
    return np.zeros(SHAPE, dtype=np.uint8)


def _pixels(xy: np.ndarray) -> np.ndarray:
    return np.round((xy - _LOW) * _RESOLUTION).astype(np.int32)


def _stroke(image: np.ndarray, xy: np.ndarray, width: int, value: int) -> None:
    cv2.polylines(image, [_pixels(xy)], False, value, width, cv2.LINE_AA)


def _blob(image: np.ndarray, xy: np.ndarray, radius_mm: int, value: int) -> None:
    cv2.circle(image, _pixels(xy).tolist(), int(radius_mm * _RESOLUTION / 1000), value, -1)


def _smooth_line(points: np.ndarray) -> np.ndarray:
    """(40, 2) a cubic along points (N, 2)."""
    t = np.linspace(0.0, 1.0, len(points))
    fine = np.linspace(0.0, 1.0, 40)
    degree = min(3, len(t) - 1)
    return np.stack([np.polyval(np.polyfit(t, xs, degree), fine) for xs in points.T], axis=1)


def _finish(crease: np.ndarray, red: np.ndarray, nail: np.ndarray) -> np.ndarray:
    soft = [cv2.GaussianBlur(crease, (0, 0), 0.7), cv2.GaussianBlur(red, (0, 0), 6.0)]
    return np.stack([*soft, cv2.GaussianBlur(nail, (0, 0), 0.6)]).astype(np.float32) / 255
