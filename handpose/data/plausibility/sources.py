"""What is wrong with the labels of a source as a whole, and the likely cause."""

from typing import NamedTuple

import numpy as np

from handpose.data.plausibility.faults import (
    MAX_PROJECTION_ERROR,
    PLAUSIBLE_SIZE,
    UNLABELLED,
    has_camera,
    placeholders,
)
from handpose.data.plausibility.hands import (
    Hands,
    median,
    palm_bend,
    plain,
    projection_errors,
    sizes,
)
from handpose.data.plausibility.orders import OURS, find_order
from handpose.geometry.camera import project

USUAL_SIZE = (0.5, 1.4)  # times an adult's hand, the median of a source
_NORMALISED = 2.0  # px: no image is so small
_EXPLAINED = 0.1  # of the px between uv and the projection that a cause leaves
_MIRRORED = -0.3  # median `palm_bend`: of flat hands with noise it is higher
_UNITS = {"millimetres": 1000, "centimetres": 100}
_LIKE_A_UNIT = (0.5, 1.6)  # times an adult's hand, once the unit is undone


class Verdict(NamedTuple):
    """On a source as a whole."""

    fault: str | None  # why it cannot be right
    warning: str | None  # what is unusual about it


def judge(hands: Hands) -> Verdict:
    """Looks at some hands of a source, from all over it; their images need not be read yet."""
    if len(hands.row) == 0:
        return Verdict(None, None)
    faults = (check(hands) for check in (_unit_2d, _unlabelled, _frame, _unit_3d, _camera))
    fault = next((fault for fault in faults if fault), None)
    if fault is not None:
        return Verdict(fault, None)
    if misfit := find_order(hands.uv, hands.xyz):
        text = f"the bones fit another order of the joints better: {misfit.order}"
        if misfit.is_certain:
            return Verdict(f"{text}. Reorder them to ours: {OURS}", None)
        return Verdict(None, f"{text}. Ours is {OURS}; look at the crops that the doctor draws")
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
    return f"{share:.0%} of the hands have joints at the origin, far from the others; {UNLABELLED}"


def _frame(hands: Hands) -> str | None:
    z = hands.xyz[has_camera(hands), :, 2]
    z = z[np.isfinite(z).any(axis=1)]
    if len(z) == 0 or (z <= 0).any(axis=1).mean() <= 0.5:
        return None
    if np.median(np.nanmax(z, axis=1)) <= 0:
        return "z is negative: xyz is in OpenGL's frame, it seems. Negate y and z"
    return (
        "joints lie on both sides of the camera: xyz is relative to a joint or to the world, it "
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
    return f"xyz is in no metres: {text}. Give metres in the camera frame"


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
