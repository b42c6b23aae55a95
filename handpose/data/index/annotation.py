"""The labels of one hand, as a reader found them: completed, and looked at number by number.

J = 21 joints in our order.
"""

from typing import Any, NamedTuple

import numpy as np

from handpose.data.index.columns import Schema
from handpose.geometry.camera import project
from handpose.hand import NUM_JOINTS

ANNOTATION: Schema = {
    "uv": (np.float32, (NUM_JOINTS, 2)),
    "uv_valid": (np.bool_, (NUM_JOINTS,)),
    "xyz": (np.float32, (NUM_JOINTS, 3)),
    "xyz_valid": (np.bool_, (NUM_JOINTS,)),
    "K": (np.float32, (3, 3)),
    "scale": (np.float32, ()),
}

# A labelled 2D joint further than this from its own projection is a label in another unit.
_MAX_PROJECTION_ERROR = 5.0  # px
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
        uv, uv_valid = _projected(K, xyz, xyz_valid), xyz_valid if uv_valid is None else uv_valid
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
    with np.errstate(all="ignore"):  # a joint at depth 0 is found as a fault
        return np.where(valid[:, None], project(np.asarray(K), np.asarray(xyz)), 0.0)


def find_fault(annotation: Complete) -> str | None:
    """Why a completed annotation cannot be used, or None."""
    uv, uv_valid, xyz, xyz_valid, K, scale = annotation
    if not np.isfinite(K).all() or K[0, 0] <= 0 or K[1, 1] <= 0 or K[2].tolist() != [0, 0, 1]:
        return f"K is no camera matrix: {np.asarray(K).tolist()}"
    if not np.isfinite(xyz).all():
        return f"xyz is NaN or infinite at joint {_first_bad(xyz)}"
    has_camera = not np.array_equal(K, np.eye(3))
    if has_camera and (xyz[xyz_valid, 2] <= 0).any():
        return f"joint {int(np.flatnonzero(xyz_valid & (xyz[:, 2] <= 0))[0])} is behind the camera"
    if xyz_valid.sum() > 1 and np.ptp(xyz[xyz_valid], axis=0).max() == 0:
        return "all joints of xyz are at one point"
    if not np.isfinite(uv).all():
        return f"uv is NaN or infinite at joint {_first_bad(uv)}"
    if not np.isfinite(scale) or scale < 0:
        return f"the scale {scale} is no length"
    return _projection_fault(uv, xyz, K, uv_valid & xyz_valid) if has_camera else None


def _first_bad(values: np.ndarray) -> int:
    return int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])


def _projection_fault(
    uv: np.ndarray, xyz: np.ndarray, K: np.ndarray, valid: np.ndarray
) -> str | None:
    error = np.linalg.norm(_projected(K, xyz, valid) - uv, axis=1)[valid]
    if len(error) == 0 or error.max() <= _MAX_PROJECTION_ERROR:
        return None
    return (
        f"K and xyz project {error.max():.0f} px away from uv; "
        "are the units metres and px, and the frame the camera's?"
    )
