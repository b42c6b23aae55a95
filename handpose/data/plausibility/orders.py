"""Which order of joints fits the bones' lengths best. J = 21 joints."""

from typing import NamedTuple

import numpy as np

from handpose.data.plausibility.hands import median, relative_bones
from handpose.skeleton import INTERHAND_ORDER, MANO_ORDER, NUM_JOINTS

OURS = "wrist, then thumb, index, middle, ring, little finger, each from the palm to the tip"
_LEAST_2D = 10  # hands: a few may be foreshortened alike
_LEAST_JOINTS = 15  # labelled
_MARGIN = 0.1  # mean |log ratio| by which another order must fit better
# Another order's misfit over ours, below which ours cannot be right. Real hands of the right order
# are at 2 and above, single ones seen in 2D at 0.5.
_CERTAIN_3D, _CERTAIN_2D = 0.5, 0.35


def _by_finger(*fingers: int, from_tip: bool = False) -> tuple[int, ...]:
    """ours[j] = theirs[order[j]], for a wrist and fingers (0 thumb, 4 little) one by one."""
    places = [1 + 4 * fingers.index(finger) for finger in range(5)]
    joints = range(3, -1, -1) if from_tip else range(4)
    return (0, *(place + joint for place in places for joint in joints))


_ORDERS = {
    "InterHand2.6M's (each finger from the tip to the palm, wrist last)": INTERHAND_ORDER,
    "MANO's and HO-3D's (three joints a finger from the index finger on, tips last)": MANO_ORDER,
    "RHD's (wrist, each finger from the tip to the palm)": _by_finger(*range(5), from_tip=True),
    "wrist, fingers from little to thumb": _by_finger(*range(4, -1, -1)),
    "wrist, fingers from little to thumb, each from the tip to the palm": _by_finger(
        *range(4, -1, -1), from_tip=True
    ),
    "wrist, index finger to little finger, thumb last": _by_finger(1, 2, 3, 4, 0),
    "wrist, all knuckles, then all joints of each further level": (
        0,
        *(1 + 5 * joint + finger for finger in range(5) for joint in range(4)),
    ),
    "BigHand2.2M's (wrist, five knuckles, then three joints a finger)": (
        0,
        *(j for f in range(5) for j in (1 + f, 6 + 3 * f, 7 + 3 * f, 8 + 3 * f)),
    ),
}


class Misfit(NamedTuple):
    """Another order that fits better than ours."""

    order: str
    is_certain: bool  # ours cannot be right; else it is unusual


def find_order(uv: np.ndarray, xyz: np.ndarray) -> Misfit | None:
    """The order of joints that labels (B, J, 2) and (B, J, 3) are in, where it is not ours.

    Bones in 3D where there are any; else those in 2D, whose foreshortening the median evens out.
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
    """Mean over bones of |log(length / an adult's)|, both over the hand's own size."""
    bones = relative_bones(points[:, list(order)])
    return float(np.nanmean(np.abs(median(bones - median(bones)[:, None], axis=0))))
