"""Labels of many hands as arrays, with lengths and angles.

B hands, J = 21 joints, 20 bones. float64, NaN where unlabelled.
"""

import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from handpose.data.index.columns import Columns
from handpose.geometry.camera import project
from handpose.skeleton import BONES

_BLOCK = 1 << 12  # hands at a time
# An adult's bones in metres, in the order of `BONES`.
ADULT = 1e-3 * np.array(
    [33, 44, 33, 27, 91, 40, 24, 21, 90, 44, 28, 22, 85, 40, 26, 22, 80, 31, 19, 19]
)
KNUCKLES = (1, 5, 9, 13, 17)  # the first joints of thumb, index, middle, ring and little finger
# An adult's distances in metres between any two of them, in the order of `combinations`.
ADULT_PALM = 1e-3 * np.array([66, 71, 73, 75, 21, 40, 58, 20, 39, 20])
_PARENTS, _CHILDREN = np.array(BONES).T


class Hands(NamedTuple):
    """A block of hands. Without a camera, xyz is in an unknown unit."""

    row: np.ndarray  # (B,) its row of the index
    uv: np.ndarray  # (B, J, 2) px
    xyz: np.ndarray  # (B, J, 3) metres, camera frame
    K: np.ndarray  # (B, 3, 3); NaN without a camera
    is_left: np.ndarray  # (B,) bool
    box: np.ndarray  # (B, 3) centre u, centre v, side in px; NaN: the central square of the image
    size: np.ndarray  # (B, 2) width, height of the image in px; NaN before it is read


def read_hands(columns: Columns, rows: np.ndarray) -> Hands:
    """Read hands from the columns of an index.

    Args:
        rows: (B,) int, which hands.
    """
    number, image = (columns.read(name)[rows] for name in ("annotation", "image"))
    K = columns.read("K")[number].astype(np.float64)
    K[(np.eye(3) == K).all(axis=(1, 2))] = np.nan
    sizes = columns.read("size")
    size = sizes[image].astype(np.float64) if len(sizes) else np.full((len(rows), 2), np.nan)
    is_left, box = (columns.read(name)[rows] for name in ("is_left", "box"))
    uv, xyz = (columns.read(name)[number].astype(np.float64) for name in ("uv", "xyz"))
    for name, points in (("uv", uv), ("xyz", xyz)):
        points[~columns.read(f"{name}_valid")[number]] = np.nan
    return Hands(rows, uv, xyz, K, is_left, box.astype(np.float64), size)


def blocks(columns: Columns, rows: np.ndarray) -> Iterator[Hands]:
    """Read many hands, some at a time; arguments as of `read_hands`."""
    for start in range(0, len(rows), _BLOCK):
        yield read_hands(columns, rows[start : start + _BLOCK])


def has_camera(hands: Hands) -> np.ndarray:
    """Return (B,) bool, whether xyz is in metres."""
    return np.isfinite(hands.K[:, 0, 0])


def relative_bones(points: np.ndarray) -> np.ndarray:
    """Return (B, 20) log of bone length over an adult's; points (B, J, D); NaN if unlabelled."""
    lengths = np.linalg.norm(points[:, _CHILDREN] - points[:, _PARENTS], axis=2)
    return np.log(np.maximum(lengths, 1e-9)) - np.log(ADULT)


def median(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Compute the median of what is not NaN; NaN if nothing else is there.

    Args:
        values: of any shape.
        axis: to reduce.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all NaN
        return np.nanmedian(values, axis=axis)


def sizes(hands: Hands) -> np.ndarray:
    """Return (B,) total bone length over an adult's; NaN without a camera."""
    return np.exp(median(relative_bones(hands.xyz))) + 0 * hands.K[:, 0, 0]


def projection_errors(hands: Hands) -> np.ndarray:
    """Return (B, J) px between uv and the projected xyz; NaN if one or K is missing."""
    with np.errstate(all="ignore"):  # a joint at depth 0 is found by another check
        return np.linalg.norm(project(hands.K, hands.xyz) - hands.uv, axis=2)


def plain(number: float) -> str:
    """Format a number with three significant digits and no exponent: 1030, 0.00103."""
    return np.format_float_positional(number, precision=3, fractional=False, trim="-")


def palm_bend(hands: Hands, *, is_metric: bool = True) -> np.ndarray:
    """Return (B,) how far thumb and fingers bend towards the palm of the stated side.

    The mean sine of the four fingers' middle joints, which bend one way only, plus the thumb's
    distance from the plane of the palm over the palm's length. It is 0.1 to 1.8 for synthetic
    hands, and negative for the other side. NaN without one of these joints.

    Args:
        is_metric: NaN without a camera; else px with a relative depth in the same unit count too.
    """
    xyz = hands.xyz
    wrist, index, little = (xyz[:, joint] for joint in (0, 5, 17))
    fingers = _unit(np.diff(xyz[:, 5:].reshape(-1, 4, 4, 3), axis=2))
    hinge = np.cross(fingers[:, :, 0], fingers[:, :, 1])
    sines = (hinge * _unit(index - little)[:, None]).sum(axis=-1)
    normal = _unit(np.cross(index - wrist, little - wrist))
    palm = np.maximum(np.linalg.norm(xyz[:, 9] - wrist, axis=-1), 1e-9)
    thumb = ((xyz[:, 3] - wrist) * normal).sum(axis=-1) / palm
    bend = np.nansum(sines, axis=1) / 4 + thumb
    bend = np.where(hands.is_left, -bend, bend)
    return bend + 0 * hands.K[:, 0, 0] if is_metric else bend


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
