"""Finds faults of a source's labels as a whole, with the likely cause. B hands, J = 21 joints."""

from typing import NamedTuple

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
from handpose.data.label_checks.per_hand import (
    ADVICE_UNLABELLED,
    MAX_PROJECTION_ERROR,
    PLAUSIBLE_SIZE,
    placeholders,
)
from handpose.geometry.camera import project
from handpose.skeleton import JOINT_ORDERS, NUM_JOINTS, by_finger

USUAL_SIZE = (0.5, 1.4)  # times an adult's hand, the median of a source
_NORMALISED = 2.0  # px: no image is so small
_EXPLAINED = 0.1  # of the px between uv and the projection that a cause leaves
_MIRRORED = -0.3  # median `palm_bend`: it is higher for flat hands with noise
_UNITS = {"millimetres": 1000, "centimetres": 100}
_LIKE_A_UNIT = (0.5, 1.6)  # times an adult's hand, once the unit is undone

_OURS = "wrist, then thumb, index, middle, ring, little finger, each from the palm to the tip"
_LEAST_2D = 10  # hands: a few may be foreshortened alike
_LEAST_JOINTS = 15  # labelled
_MARGIN = 0.1  # mean |log ratio| by which another order must fit better
# Another order's misfit over ours, below which ours cannot be right. Real hands of the right order
# are at 2 and above, single ones seen in 2D at 0.5.
_CERTAIN_3D, _CERTAIN_2D = 0.5, 0.35


_ORDERS = {
    "InterHand2.6M's (each finger from the tip to the palm, wrist last)": JOINT_ORDERS["interhand"],
    "MANO's and HO-3D's (three joints a finger from the index finger on, tips last)": (
        JOINT_ORDERS["mano"]
    ),
    "RHD's (wrist, each finger from the tip to the palm)": JOINT_ORDERS["rhd"],
    "wrist, fingers from little to thumb": by_finger(*range(4, -1, -1)),
    "wrist, fingers from little to thumb, each from the tip to the palm": by_finger(
        *range(4, -1, -1), from_tip=True
    ),
    "wrist, index finger to little finger, thumb last": by_finger(1, 2, 3, 4, 0),
    "wrist, all knuckles, then all joints of each further level": (
        0,
        *(1 + 5 * joint + finger for finger in range(5) for joint in range(4)),
    ),
    "BigHand2.2M's (wrist, five knuckles, then three joints a finger)": JOINT_ORDERS["bighand"],
}
_NAMES = {order: name for name, order in JOINT_ORDERS.items()}


class Verdict(NamedTuple):
    """The result for a source as a whole."""

    fault: str | None  # why it cannot be right
    warning: str | None  # what is unusual about it
    order: str | None = None  # name in `JOINT_ORDERS` of an order that fits better


class Misfit(NamedTuple):
    """A joint order that fits better than ours."""

    order: str
    is_certain: bool  # ours cannot be right; else it is unusual


def judge(hands: Hands) -> Verdict:
    """Judge a source by a sample of its hands, without images."""
    if len(hands.row) == 0:
        return Verdict(None, None)
    faults = (check(hands) for check in (_unit_2d, _unlabelled, _frame, _unit_3d, _camera))
    fault = next((fault for fault in faults if fault), None)
    if fault is not None:
        return Verdict(fault, None)
    if misfit := find_order(hands.uv, hands.xyz):
        text = f"the bones fit another order of the joints better: {misfit.order}"
        if misfit.is_certain:
            order = _NAMES.get(_ORDERS[misfit.order])
            return Verdict(f"{text}. Reorder them to ours: {_OURS}", None, order)
        return Verdict(None, f"{text}. Ours is {_OURS}; look at the crops that the doctor draws")
    return Verdict(_side(hands), _unusual_size(hands))


def _unit_2d(hands: Hands) -> str | None:
    largest = np.nan_to_num(np.abs(hands.uv)).max(axis=(1, 2))[np.isfinite(hands.uv).any((1, 2))]
    if len(largest) == 0 or np.median(largest) > _NORMALISED:
        return None
    return (
        "uv is normalised, it seems, and not in px: most hands have none above "
        f"{np.median(largest):.2g}. Multiply u by the image's width and v by its height"
    )


def _unlabelled(hands: Hands) -> str | None:
    share = (placeholders(hands.uv) | placeholders(hands.xyz)).any(axis=1).mean()
    if not share > 0.5:
        return None
    text = f"{share:.0%} of the hands have joints at the origin, far from the others"
    return f"{text}; {ADVICE_UNLABELLED}"


def _frame(hands: Hands) -> str | None:
    z = hands.xyz[has_camera(hands), :, 2]
    z = z[np.isfinite(z).any(axis=1)]
    if len(z) == 0 or (z <= 0).any(axis=1).mean() <= 0.5:
        return None
    if np.median(np.nanmax(z, axis=1)) <= 0:
        return "z is negative: xyz is in OpenGL's frame, it seems. Negate y and z"
    return (
        "joints are on both sides of the camera: xyz is relative to a joint or to the world, it "
        "seems. Give metres in the camera frame, x right, y down, z forward"
    )


def _unit_3d(hands: Hands) -> str | None:
    size, (low, high) = float(median(sizes(hands))), PLAUSIBLE_SIZE
    if np.isnan(size) or low <= size <= high:
        return None
    text = f"the bones are {plain(size)} times as long as an adult's in metres"
    for unit, factor in _UNITS.items():
        if _LIKE_A_UNIT[0] <= size / factor <= _LIKE_A_UNIT[1]:
            return f"xyz is in {unit}, it seems: {text}. Divide xyz by {factor}"
    return f"xyz is not in metres: {text}. Give metres in the camera frame"


def _camera(hands: Hands) -> str | None:
    error = projection_errors(hands)
    known = np.isfinite(error).any(axis=1)
    errors = np.nan_to_num(error).max(axis=1)[known]
    if len(errors) == 0 or (errors > MAX_PROJECTION_ERROR).mean() <= 0.5:
        return None
    text = f"K and xyz project {np.median(errors):.0f} px away from uv, most hands"
    uv, seen = hands.uv[known], project(hands.K[known], hands.xyz[known])
    scale = float(np.nansum(seen * uv) / np.nansum(uv * uv))
    flipped = project(hands.K[known], hands.xyz[known] * [1, -1, 1])
    causes = {
        "u and v are swapped, it seems. Write u, to the right, first": (seen, uv[..., ::-1]),
        "y points up, it seems. Negate y": (flipped, uv),
        f"K is of an image {plain(scale)} times as large as that of uv, it seems. "
        f"Multiply K's first two rows by {plain(1 / scale)}": (seen, scale * uv),
    }
    for cause, (one, other) in causes.items():
        left = np.linalg.norm(one - other, axis=2)
        if np.nanquantile(left, 0.9) < _EXPLAINED * np.median(errors):
            return f"{text}: {cause}"
    return f"{text}. Are the units metres and px, and the frame the camera's?"


def _side(hands: Hands) -> str | None:
    if not median(palm_bend(hands)) < _MIRRORED:
        return None
    return (
        "most hands bend their fingers backwards: left and right are swapped, it seems, or an axis "
        "of xyz is flipped. Swap the sides, or give x right, y down, z forward"
    )


def _unusual_size(hands: Hands) -> str | None:
    size, (low, high) = float(median(sizes(hands))), USUAL_SIZE
    if np.isnan(size) or low <= size <= high:
        return None
    return f"the bones are {size:.2g} times as long as an adult's; make sure that xyz is in metres"


def find_order(uv: np.ndarray, xyz: np.ndarray) -> Misfit | None:
    """Find a joint order that fits the labels better than ours, or None.

    Compares bone lengths in 3D if available, else in 2D, where the median evens out
    foreshortening.

    Args:
        uv: (B, J, 2) px.
        xyz: (B, J, 3) metres.
    """
    in_3d, in_2d = (
        points[np.isfinite(points[..., 0]).sum(axis=1) >= _LEAST_JOINTS] for points in (xyz, uv)
    )
    points = in_3d if len(in_3d) else in_2d
    if len(points) < (1 if len(in_3d) else _LEAST_2D):
        return None
    own = _misfit(points, range(NUM_JOINTS))
    misfits = {name: _misfit(points, order) for name, order in _ORDERS.items()}
    best = min(misfits, key=lambda name: misfits[name])
    if own - misfits[best] < _MARGIN:
        return None
    return Misfit(best, misfits[best] < own * (_CERTAIN_3D if len(in_3d) else _CERTAIN_2D))


def _misfit(points: np.ndarray, order: tuple[int, ...] | range) -> float:
    """Return the mean over bones of |log(length / an adult's)|, at equal hand size."""
    bones = relative_bones(points[:, list(order)])
    return float(np.nanmean(np.abs(median(bones - median(bones)[:, None], axis=0))))
