"""Finds impossible labels or boxes of single hands.

Limits are wide: over a million noisy but usable labels must pass. J = 21 joints.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from handpose.data.label_checks.hands import (
    Hands,
    has_camera,
    median,
    palm_bend,
    plain,
    projection_errors,
    relative_bones,
    sizes,
)
from handpose.skeleton import BONES, JOINT_NAMES

PLAUSIBLE_SIZE = (0.3, 2.0)  # times an adult's hand: beyond any child's and any large one
# A labelled 2D joint further than this from its own projection is a label in another unit.
MAX_PROJECTION_ERROR = 5.0  # px
ADVICE_UNLABELLED = "mark an unlabelled joint as such (an empty cell, null, or flag 0)"
_LONGEST, _SHORTEST = 3.0, 0.02  # a bone, times what fits the hand's other bones
_LEAST_BONES = 8  # labelled, to know what fits
_MOST_BACKWARD = -0.8  # `palm_bend` of a hand of the other side; a hand's own is above -0.3
_FURTHEST = 3.0  # image sides that a joint may be outside of the image
_LEAST_SIDE = 2.0  # px: no hand can be seen in a smaller box
_LARGEST_BOX = 10.0  # times the image
# Part of the hand's extent by which a joint at the origin is away from all others: in 2D, in 3D
# (the root of a relative pose is there).
_APART = {2: 0.2, 3: 0.5}

_Reasons = dict[int, str]  # place in the block: why the hand cannot be right


class Fault(NamedTuple):
    """An impossible hand."""

    row: int  # of the index
    reason: str
    is_of_box: bool  # else of its annotation


def find_faults(hands: Hands) -> list[Fault]:
    """Find the first fault of each hand; their images must have been read."""
    found: dict[int, Fault] = {}
    for check in (*_LABEL_CHECKS, *_BOX_CHECKS):
        for place, reason in check(hands).items():
            row = int(hands.row[place])
            found.setdefault(place, Fault(row, reason, check in _BOX_CHECKS))
    return list(found.values())


def placeholders(points: np.ndarray) -> np.ndarray:
    """Return (B, J) bool for (B, J, D): joints at 0 or -1, far from the hand's others."""
    suspects = (points == 0).all(axis=2) | (points == -1).all(axis=2)
    for hand in np.flatnonzero(suspects.any(axis=1)):
        others = points[hand][~suspects[hand] & np.isfinite(points[hand]).all(axis=1)]
        if len(others):
            gaps = np.linalg.norm(points[hand][:, None] - others, axis=2).min(axis=1)
            suspects[hand] &= gaps > _APART[points.shape[2]] * np.ptp(others, axis=0).max()
    return suspects


def _reasons(faulty: Any, describe: Callable[[int], str]) -> _Reasons:
    return {int(i): describe(int(i)) for i in np.flatnonzero(faulty)}


def _behind(hands: Hands) -> _Reasons:
    behind = (hands.xyz[:, :, 2] <= 0) & has_camera(hands)[:, None]
    text = "joint {} is behind the camera: give metres in the camera frame, z forward"
    return _reasons(behind.any(axis=1), lambda i: text.format(int(behind[i].argmax())))


def _placeholders(hands: Hands) -> _Reasons:
    reasons: _Reasons = {}
    for name, points in (("xyz", hands.xyz), ("uv", hands.uv)):
        found = placeholders(points)
        for i in np.flatnonzero(found.any(axis=1)):
            joint = int(found[i].argmax())
            at = ", ".join(f"{value:g}" for value in points[i, joint])
            text = f"{name} of joint {joint} is {at}, far from the others"
            reasons[int(i)] = f"{text}; {ADVICE_UNLABELLED}"
    return reasons


def _size(hands: Hands) -> _Reasons:
    found, (low, high) = sizes(hands), PLAUSIBLE_SIZE
    text = "its bones are {} times as long as an adult's: give xyz in metres"
    return _reasons((found < low) | (found > high), lambda i: text.format(plain(found[i])))


def _bones(hands: Hands) -> _Reasons:
    bones = relative_bones(hands.xyz)
    ratio = np.exp(bones - median(bones)[:, None])
    odd = ((ratio > _LONGEST) | (ratio < _SHORTEST)) & (
        np.isfinite(bones).sum(axis=1, keepdims=True) >= _LEAST_BONES
    )

    def describe(i: int) -> str:
        bone = int(odd[i].argmax())
        start, end = (JOINT_NAMES[joint] for joint in BONES[bone])
        length = 1000 * np.linalg.norm(np.subtract(*hands.xyz[i, list(BONES[bone])]))
        unit = f"{length:.0f} mm long, " if has_camera(hands)[i] else ""
        return f"{start} to {end} is {unit}{plain(ratio[i, bone])} times what fits the other bones"

    return _reasons(odd.any(axis=1), describe)


def _projection(hands: Hands) -> _Reasons:
    error = np.nan_to_num(projection_errors(hands)).max(axis=1)
    text = (
        "K and xyz project {:.0f} px away from uv; "
        "are the units metres and px, and the frame the camera's?"
    )
    return _reasons(error > MAX_PROJECTION_ERROR, lambda i: text.format(error[i]))


def _backward(hands: Hands) -> _Reasons:
    def describe(i: int) -> str:
        side, other = ("left", "right") if hands.is_left[i] else ("right", "left")
        return f"its fingers bend backwards for a {side} hand; is it a {other} one, or mirrored?"

    return _reasons(palm_bend(hands) < _MOST_BACKWARD, describe)


def _far_off(hands: Hands) -> _Reasons:
    outside = np.maximum(-hands.uv, hands.uv - hands.size[:, None]).max(axis=2)
    far = outside > _FURTHEST * hands.size.max(axis=1, keepdims=True)

    def describe(i: int) -> str:
        joint = int(far[i].argmax())
        at, size = (
            " x ".join(f"{v:g}" for v in row) for row in (hands.uv[i, joint], hands.size[i])
        )
        return f"joint {joint} is at {at}, far off the image of {size} px"

    return _reasons(far.any(axis=1), describe)


def _box_off(hands: Hands) -> _Reasons:
    centre, half = hands.box[:, :2], hands.box[:, 2:] / 2
    off = ((centre + half < 0) | (centre - half > hands.size - 1)).any(axis=1)
    return _of_box(hands, off, "is off the image")


def _box_side(hands: Hands) -> _Reasons:
    side = hands.box[:, 2]
    limit = _LARGEST_BOX * hands.size.max(axis=1)
    small = _of_box(hands, side < _LEAST_SIDE, f"is smaller than {_LEAST_SIDE:g} px")
    return small | _of_box(hands, side > limit, f"is over {_LARGEST_BOX:g} times the image's side")


def _box_elsewhere(hands: Hands) -> _Reasons:
    offset = np.abs(hands.uv - hands.box[:, None, :2]).max(axis=2)
    labelled = np.isfinite(offset)
    elsewhere = labelled.any(axis=1) & ~(offset <= hands.box[:, 2:] / 2).any(axis=1)
    return _of_box(hands, elsewhere, "holds none of its joints")


def _of_box(hands: Hands, faulty: Any, what: str) -> _Reasons:
    return _reasons(faulty, lambda i: f"its box {hands.box[i].tolist()} {what}")


_LABEL_CHECKS = (_placeholders, _behind, _size, _bones, _projection, _backward, _far_off)
_BOX_CHECKS = (_box_off, _box_side, _box_elsewhere)
