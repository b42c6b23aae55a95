"""Finds faults of a source's labels as a whole, with the likely cause. B hands, J = 21 joints."""

from typing import NamedTuple

import numpy as np

from handpose.data.label_checks.cameras import find_camera_fault
from handpose.data.label_checks.hands import Hands, has_camera, median, plain, sizes
from handpose.data.label_checks.image_fit import find_image_fault, find_image_warning
from handpose.data.label_checks.joint_order import OURS, Order, find_order
from handpose.data.label_checks.per_hand import ADVICE_UNLABELLED, PLAUSIBLE_SIZE, placeholders
from handpose.data.label_checks.sides import find_relative_depth_warning, find_side_fault
from handpose.skeleton import JOINT_ORDERS

USUAL_SIZE = (0.5, 1.4)  # times an adult's hand, the median of a source
_NORMALISED = 2.0  # px: no image is so small
_UNITS = {"millimetres": 1000, "centimetres": 100, "inches": 39.37}
_LIKE_A_UNIT = (0.5, 1.6)  # times an adult's hand, once the unit is undone


class Verdict(NamedTuple):
    """The result for a source as a whole."""

    fault: str | None  # why it cannot be right
    warning: str | None  # what is unusual about it
    order: str | None = None  # name in `JOINT_ORDERS` of an order that fits better


def judge(hands: Hands, *, read_by: Order = JOINT_ORDERS["ours"]) -> Verdict:
    """Judge a source by a sample of its hands, without images.

    Args:
        hands: the sample.
        read_by: the order by which the joints of the file were read.
    """
    if len(hands.row) == 0:
        return Verdict(None, None)
    checks = (_unit_2d, _unlabelled, _frame, _unit_3d, find_camera_fault)
    faults = (check(hands) for check in checks)
    fault = next((fault for fault in faults if fault), None)
    if fault is not None:
        return Verdict(fault, None)
    if misfit := find_order(hands.uv, hands.xyz, read_by=read_by):
        text = f"{misfit.sign}: another order of the joints fits better: {misfit.order}"
        if misfit.is_certain:
            return Verdict(f"{text}. Reorder them to ours: {OURS}", None, misfit.name)
        return Verdict(None, f"{text}. Ours is {OURS}; look at the crops that the doctor draws")
    return Verdict(
        find_side_fault(hands), _unusual_size(hands) or find_relative_depth_warning(hands)
    )


def judge_in_images(hands: Hands) -> Verdict:
    """Judge a source by a sample of its hands and the sizes of their images."""
    if len(hands.row) == 0:
        return Verdict(None, None)
    fault = find_image_fault(hands)
    return Verdict(fault, None if fault else find_image_warning(hands))


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
    unit, factor = min(_UNITS.items(), key=lambda item: abs(np.log(size / item[1])))
    if _LIKE_A_UNIT[0] <= size / factor <= _LIKE_A_UNIT[1]:
        return f"xyz is in {unit}, it seems: {text}. Divide xyz by {factor}"
    return f"xyz is not in metres: {text}. Give metres in the camera frame"


def _unusual_size(hands: Hands) -> str | None:
    size, (low, high) = float(median(sizes(hands))), USUAL_SIZE
    if np.isnan(size) or low <= size <= high:
        return None
    return f"the bones are {size:.2g} times as long as an adult's; make sure that xyz is in metres"
