"""The labels of one hand, as a reader found them: completed, and looked at number by number.

J = 21 joints in our order. `handpose.data.plausibility` looks at what the numbers mean.
"""

from typing import Any, NamedTuple

import numpy as np

from handpose.data.index.columns import Schema
from handpose.geometry.camera import project
from handpose.skeleton import NUM_JOINTS

ANNOTATION: Schema = {
    "uv": (np.float32, (NUM_JOINTS, 2)),
    "uv_valid": (np.bool_, (NUM_JOINTS,)),
    "xyz": (np.float32, (NUM_JOINTS, 3)),
    "xyz_valid": (np.bool_, (NUM_JOINTS,)),
    "K": (np.float32, (3, 3)),
    "scale": (np.float32, ()),
}

LARGEST = 1e6  # px, millimetres or whatever: no number of a label is larger
_NO_UV, _NO_XYZ = np.zeros((NUM_JOINTS, 2)), np.zeros((NUM_JOINTS, 3))
_NONE_VALID = np.zeros(NUM_JOINTS, dtype=bool)


class Annotation(NamedTuple):
    """The labels of a hand; what is not labelled may be left out."""

    uv: np.ndarray | None = None  # (J, 2) px; None: the projection of a complete xyz
    uv_valid: np.ndarray | None = None  # (J,) bool; None: all, where there is a uv
    xyz: np.ndarray | None = None  # (J, 3) metres, camera frame; without K in units of its own
    xyz_valid: np.ndarray | None = None  # (J,) bool; None: all, where there is an xyz
    K: np.ndarray | None = None  # (3, 3)
    scale: float = 0.0  # metres, of the scale bone that the protocol grants; 0: not stated


class Complete(NamedTuple):
    """An annotation with every field in place, as the columns take it."""

    uv: np.ndarray
    uv_valid: np.ndarray
    xyz: np.ndarray
    xyz_valid: np.ndarray
    K: np.ndarray
    scale: float


def as_array(value: Any, *shape: int) -> np.ndarray:
    """Numbers as float64 of a given shape; null is NaN.

    Raises:
        ValueError: they are no numbers, or of another shape.
    """
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"not {' x '.join(map(str, shape))} numbers") from None
    if array.shape != shape:
        found = " x ".join(map(str, array.shape)) or "a single"
        raise ValueError(f"{found} numbers, where {' x '.join(map(str, shape))} are expected")
    return array


def completed(annotation: Annotation) -> Complete:
    """Every field in place: what is missing is 0 and invalid, a missing K the identity."""
    uv, uv_valid, xyz, xyz_valid, K, scale = annotation
    if xyz_valid is None:
        xyz_valid = _NONE_VALID if xyz is None else ~_NONE_VALID
    if uv is None and xyz is not None and K is not None:
        seen = xyz_valid & (np.asarray(xyz)[:, 2] > 0)  # the others are a fault, said elsewhere
        uv, uv_valid = _projected(K, xyz, seen), seen if uv_valid is None else uv_valid
    if uv_valid is None:
        uv_valid = _NONE_VALID if uv is None else ~_NONE_VALID
    return Complete(
        uv=_NO_UV if uv is None else np.where(uv_valid[:, None], uv, 0.0),
        uv_valid=uv_valid,
        xyz=_NO_XYZ if xyz is None else np.where(xyz_valid[:, None], xyz, 0.0),
        xyz_valid=xyz_valid,
        K=np.eye(3) if K is None else K,
        scale=scale,
    )


def _projected(K: np.ndarray, xyz: np.ndarray, valid: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):  # of joints that do not count
        return np.where(valid[:, None], project(np.asarray(K), np.asarray(xyz)), 0.0)


def find_fault(annotation: Complete) -> str | None:
    """Why a completed annotation cannot be used, or None."""
    uv, _, xyz, xyz_valid, K, scale = annotation
    if not is_number(K) or K[0, 0] <= 0 or K[1, 1] <= 0 or K[2].tolist() != [0, 0, 1]:
        return f"K is no camera matrix: {np.asarray(K).tolist()}"
    for name, points in (("xyz", xyz), ("uv", uv)):
        if not is_number(points):
            return _no_number(name, points)
    if xyz_valid.sum() > 1 and np.ptp(xyz[xyz_valid], axis=0).max() == 0:
        return "all joints of xyz are at one point"
    if not np.isfinite(scale) or scale < 0:
        return f"the scale {scale} is no length"
    return None


def is_number(values: np.ndarray) -> bool:
    """Whether all are finite and such as a label can be."""
    return bool((np.abs(values) <= LARGEST).all())


def _no_number(name: str, points: np.ndarray) -> str:
    """What is wrong with the first joint of (J, D) that is no number."""
    joint = int(np.flatnonzero(~(np.abs(points) <= LARGEST).all(axis=1))[0])
    if not np.isfinite(points[joint]).all():
        return f"{name} is NaN or infinite at joint {joint}"
    return f"{name} is {points[joint].tolist()} at joint {joint}, beyond {LARGEST:g}"
