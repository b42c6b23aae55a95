"""Finds sources whose joints are not in their images or boxes, with the likely cause."""

from collections.abc import Iterator

import numpy as np

from handpose.data.label_checks.hands import Hands, median

_LEAST = 10  # hands
_INSIDE = 0.5  # share of a hand's joints that are inside where the labels are right
_MOST = 0.5  # share of the hands that are elsewhere in a wrong source
_EXPLAINED = 0.9  # share of the hands that a cause brings inside
_REACH = 1.25  # times the box: the joints of an occluded hand may be outside of it
_LEAST_SPREAD = 30  # hands, to know where in their images they are
_PART = 0.65  # of the image that no joint is beyond


def find_image_fault(hands: Hands) -> str | None:
    """Return why most hands are outside of their images or boxes, or None.

    Args:
        hands: with the sizes of their images.
    """
    labelled = np.isfinite(hands.uv[..., 0]).any(axis=1)
    hands = Hands(*(column[labelled] for column in hands))
    if len(hands.row) < _LEAST:
        return None
    for where, is_boxed in (("image", False), ("box", True)):
        share = 1 - _share_inside(hands, hands.uv, is_boxed)
        if share > _MOST:
            text = f"{share:.0%} of the hands have most joints outside of their {where}"
            return f"{text}: {_find_cause(hands)}"
    return None


def find_image_warning(hands: Hands) -> str | None:
    """Return a warning if all joints are in the upper left part of their images, or None."""
    reach = np.nan_to_num(np.nanmax(_filled(hands.uv), axis=1) / hands.size)
    reach = reach[(reach > 0).all(axis=1)]
    if len(reach) < _LEAST_SPREAD:
        return None
    width, height = np.quantile(reach, 0.99, axis=0)
    if max(width, height) > _PART:
        return None
    return (
        f"all joints are in the upper left {width:.0%} x {height:.0%} of their images: uv is in px "
        "of a smaller version of the images, it seems. Look at the crops that the doctor draws"
    )


def _filled(uv: np.ndarray) -> np.ndarray:
    """Return uv with -1 for joints that are not labelled."""
    return np.where(np.isfinite(uv), uv, -1.0)


def _share_inside(hands: Hands, uv: np.ndarray, is_boxed: bool) -> float:
    """Return the share of the hands that have most joints in the image, or in the box."""
    if is_boxed:
        offset = np.abs(uv - hands.box[:, None, :2])
        inside = (offset <= _REACH * hands.box[:, None, 2:] / 2).all(axis=2)
        known = np.isfinite(hands.box).all(axis=1)
    else:
        inside = ((uv >= -0.5) & (uv <= hands.size[:, None] - 0.5)).all(axis=2)
        known = np.isfinite(hands.size).all(axis=1)
    share = inside.sum(axis=1) / np.maximum(np.isfinite(uv[..., 0]).sum(axis=1), 1)
    return float((share >= _INSIDE)[known].mean()) if known.any() else 1.0


def _find_cause(hands: Hands) -> str:
    # Boxes that hold the wrong joints are wrong alike, and say nothing.
    if _share_inside(hands, hands.uv, True) >= _MOST:
        hands = hands._replace(box=np.full_like(hands.box, np.nan))
    for uv, cause in _causes(hands):
        if all(_share_inside(hands, uv, is_boxed) >= _EXPLAINED for is_boxed in (False, True)):
            return cause
    return (
        "uv is of another image, or xyz and K, which it is projected from, are of another frame "
        "or another image. Look at a few of them"
    )


def _causes(hands: Hands) -> Iterator[tuple[np.ndarray, str]]:
    """Yield the joints (B, J, 2) without a mistake, and its words."""
    yield hands.uv[..., ::-1], "u and v are swapped, it seems. Write u, to the right, first"
    down = np.stack((hands.uv[..., 0], hands.size[:, None, 1] - 1 - hands.uv[..., 1]), axis=2)
    yield down, "v is counted from the lower edge, it seems. Count it from the upper one"
    left = np.stack((hands.size[:, None, 0] - 1 - hands.uv[..., 0], hands.uv[..., 1]), axis=2)
    yield left, "uv is of the mirrored image, it seems. Give u of the image as stored"
    corner = hands.box[:, None, :2] - hands.box[:, None, 2:] / 2
    yield hands.uv + corner, "uv counts from the corner of the box, it seems. Add the corner"
    scale = _relative_size(hands)
    yield (
        hands.uv / scale,
        f"uv is in px of an image about {scale:.2g} times as large, it seems. "
        "Scale it to the image",
    )


def _relative_size(hands: Hands) -> float:
    """Return how many times the image is as large as it should be, by the boxes or the centres."""
    aim = np.where(np.isfinite(hands.box[:, :2]), hands.box[:, :2], (hands.size - 1) / 2)
    return float(np.maximum(median((median(hands.uv, axis=1) / aim).ravel()), 1e-3))
