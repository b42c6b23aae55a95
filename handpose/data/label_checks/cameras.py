"""Finds why K and xyz do not project onto uv. B hands, J = 21 joints."""

from collections.abc import Iterator

import cv2
import numpy as np

from handpose.data.label_checks.hands import Hands, plain, projection_errors
from handpose.data.label_checks.per_hand import MAX_PROJECTION_ERROR
from handpose.geometry.camera import project
from handpose.skeleton import ROOT

_EXPLAINED = 0.1  # of the px between uv and the projection that a cause leaves
_NUM_TURNED = 16  # hands to look for another frame by
_LEAST_TO_TURN = 6  # joints
# px, and part of it that is left with the depth flipped: a hand far from the camera is nearly flat.
_LEAST_BY_DEPTH, _LEFT_BY_DEPTH = 0.5, 0.2


def find_camera_fault(hands: Hands) -> str | None:
    """Return why most hands' K and xyz do not project onto their uv, or None if they do."""
    error = projection_errors(hands)
    known = np.isfinite(error).any(axis=1)
    errors = np.nan_to_num(error).max(axis=1)[known]
    if len(errors) == 0 or (errors > MAX_PROJECTION_ERROR).mean() <= 0.5:
        return None
    text = f"K and xyz project {np.median(errors):.0f} px away from uv, most hands"
    uv, xyz, K = hands.uv[known], hands.xyz[known], hands.K[known]
    enough = _EXPLAINED * float(np.median(errors))
    for left, cause in _causes(uv, xyz, K):
        if np.nanquantile(left, 0.9) < enough:
            return f"{text}: {cause}"
    if _is_turned(uv, xyz, K, enough):
        return (
            f"{text}: xyz is in the frame of the world, or of another camera, it seems. "
            "Transform it by the camera's rotation and translation"
        )
    return f"{text}. Are the units metres and px, and the frame the camera's?"


def has_flipped_depth(hands: Hands) -> bool:
    """Return whether uv, given beside xyz and K, fits depths that are flipped about the wrist."""
    flipped = hands._replace(xyz=_with_flipped_depth(hands.xyz))
    now, then = (_typical(projection_errors(some)) for some in (hands, flipped))
    return now > _LEAST_BY_DEPTH and then < _LEFT_BY_DEPTH * now


def _typical(errors: np.ndarray) -> float:
    known = errors[np.isfinite(errors)]
    return float(np.quantile(known, 0.9)) if len(known) else 0.0


def _with_flipped_depth(xyz: np.ndarray) -> np.ndarray:
    flipped = xyz.copy()
    flipped[..., 2] = 2 * xyz[:, ROOT, None, 2] - xyz[..., 2]
    return flipped


def _causes(uv: np.ndarray, xyz: np.ndarray, K: np.ndarray) -> Iterator[tuple[np.ndarray, str]]:
    """Yield the px (B, J) between uv and the projection without a mistake, and its words."""
    seen = project(K, xyz)
    scale = float(np.nansum(seen * uv) / np.nansum(uv * uv))
    yield _px(seen, uv[..., ::-1]), "u and v are swapped, it seems. Write u, to the right, first"
    yield _px(project(K, xyz * [1, -1, 1]), uv), "y points up, it seems. Negate y"
    yield _px(project(K, xyz * [-1, 1, 1]), uv), "x points left, it seems. Negate x"
    yield (
        _px(seen, scale * uv),
        f"K is of an image {plain(scale)} times as large as that of uv, it seems. "
        f"Multiply K's first two rows by {plain(1 / scale)}",
    )
    yield (
        _px(project(K, _with_flipped_depth(xyz)), uv),
        "z is flipped about the wrist, it seems: it must grow away from the camera. Negate "
        "z - z_wrist",
    )
    yield from _shifted_causes(uv, xyz, K)


def _shifted_causes(
    uv: np.ndarray, xyz: np.ndarray, K: np.ndarray
) -> Iterator[tuple[np.ndarray, str]]:
    """Yield causes that move each hand in the image."""
    mirrored = project(K, xyz * [-1, 1, 1])
    yield (
        np.linalg.norm(_fitted(mirrored, uv, with_scale=False) - uv, axis=2),
        "uv is of the mirrored image, it seems. Give u of the image as stored",
    )
    seen = project(K, xyz)
    yield (
        np.linalg.norm(_fitted(seen, uv, with_scale=True) - uv, axis=2),
        "K is of the image before it was cropped, it seems, or xyz is shifted. Subtract the crop's "
        "left and top edge from cx and cy, then multiply K's first two rows by the crop's scale",
    )


def _px(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.linalg.norm(one - other, axis=2)


def _fitted(points: np.ndarray, to: np.ndarray, *, with_scale: bool) -> np.ndarray:
    """Return points (B, J, 2), each hand shifted, and scaled if asked, to fit another."""
    known = np.isfinite(points + to)
    points, to = np.where(known, points, np.nan), np.where(known, to, np.nan)
    centre, aim = (np.nanmean(p, axis=1, keepdims=True) for p in (points, to))
    scale = np.ones((len(points), 1, 1))
    if with_scale:
        product = np.nansum((points - centre) * (to - aim), axis=(1, 2))
        square = np.nansum((points - centre) ** 2, axis=(1, 2))
        scale = (product / np.maximum(square, 1e-9))[:, None, None]
    return scale * (points - centre) + aim


def _is_turned(uv: np.ndarray, xyz: np.ndarray, K: np.ndarray, enough: float) -> bool:
    """Return whether a rotation and a translation of each hand's xyz fit its uv."""
    whole = np.isfinite(uv[..., 0] + xyz[..., 0])
    fitted = []
    for hand in np.flatnonzero(whole.sum(axis=1) >= _LEAST_TO_TURN)[:_NUM_TURNED]:
        some = whole[hand]
        points, at = xyz[hand, some], uv[hand, some]
        found, turn, shift = cv2.solvePnP(points, at, K[hand], None, flags=cv2.SOLVEPNP_SQPNP)
        if found:
            back = cv2.projectPoints(points, turn, shift, K[hand], None)[0][:, 0]
            fitted.append(np.linalg.norm(back - at, axis=1).max() < enough)
    return bool(fitted) and bool(np.mean(fitted) > 0.5)
