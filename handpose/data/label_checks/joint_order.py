"""Finds the joint order of a source by lengths that every hand has. B hands, J = 21 joints.

The lengths are those of the bones and between the knuckles. Their ratios differ little from hand to
hand, so an order of the joints is right if it gives them. In 2D the median over many hands evens
out foreshortening.
"""

from collections.abc import Iterator
from functools import cache
from itertools import combinations, permutations
from typing import NamedTuple

import numpy as np

from handpose.data.label_checks.hands import ADULT, ADULT_PALM, KNUCKLES, median
from handpose.skeleton import BONES, FINGERS, JOINT_ORDERS, NUM_JOINTS, ROOT, by_finger

OURS = "wrist, then thumb, index, middle, ring, little finger, each from the palm to the tip"
_LEAST_2D = 10  # hands: a few may be foreshortened alike
_LEAST_JOINTS = 15  # labelled
_MOST = 1024  # hands to judge by
_STARTS, _ENDS = np.array((*BONES, *combinations(KNUCKLES, 2))).T
_ADULT = np.log(np.concatenate((ADULT, ADULT_PALM)))
# An order fits better by this much, as a mean |log ratio| of lengths, and by this factor. Hands of
# the right order are at -0.04 and 1.7, noisy single ones at 0.02 and 0.7, of two swapped fingers at
# 0.09 and 0.1.
_MARGIN, _BETTER = 0.04, 0.75
_CERTAIN_MARGIN, _CERTAIN_3D, _CERTAIN_2D = 0.05, 0.6, 0.5
_SHOWN = 0.6  # share of the hands that have what no right hand has
_PLAIN, _BETTER_PLAIN = 0.85, 0.9  # so many have it that less of a better fit is enough

Order = tuple[int, ...]  # ours[j] = theirs[order[j]]
_AS_OURS: Order = JOINT_ORDERS["ours"]
_PALM_TO_TIP = by_finger(*range(5))
_NAMED = {
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
} | {
    f"that of {whose} conversion, applied to joints that were in our order already": (
        tuple(int(joint) for joint in np.argsort(JOINT_ORDERS[name]))
    )
    for whose, name in (("MANO's", "mano"), ("InterHand2.6M's", "interhand"))
}
_NAMES = {order: name for name, order in reversed(JOINT_ORDERS.items())}  # the first of each


class Misfit(NamedTuple):
    """A joint order that fits better than ours."""

    order: str
    is_certain: bool  # ours cannot be right; else it is unusual
    sign: str  # what no hand in our order has, with the share of the hands that have it
    name: str | None  # of the order in `JOINT_ORDERS`


class _Sign(NamedTuple):
    """Two lengths of which the first is the shorter one in every hand."""

    short: tuple[tuple[int, int], ...]  # pairs of joints whose distances are added
    long: tuple[tuple[int, int], ...]
    text: str  # of a hand where it is not


def find_order(uv: np.ndarray, xyz: np.ndarray, *, read_by: Order = _AS_OURS) -> Misfit | None:
    """Find a joint order that fits the labels better than ours, or None.

    Compares lengths in 3D if available, else in 2D.

    Args:
        uv: (B, J, 2) px.
        xyz: (B, J, 3) metres.
        read_by: the order by which the joints of the file were read.
    """
    in_3d, in_2d = (
        points[np.isfinite(points[..., 0]).sum(axis=1) >= _LEAST_JOINTS] for points in (xyz, uv)
    )
    points = in_3d if len(in_3d) else in_2d
    if len(points) < (1 if len(in_3d) else _LEAST_2D):
        return None
    points = points[np.linspace(0, len(points) - 1, min(len(points), _MOST)).astype(int)]
    certain = _CERTAIN_3D if len(in_3d) else _CERTAIN_2D
    return _compare(_log_distances(points), certain, read_by)


def _compare(distances: np.ndarray, certain: float, read_by: Order) -> Misfit | None:
    """Compare all orders by the log of the distances (B, J, J) between joints."""
    scale = median(distances.reshape(len(distances), -1))
    usual = median(distances - scale[:, None, None], axis=0)
    names, orders = _candidates(read_by)
    lengths = usual[orders[:, _STARTS], orders[:, _ENDS]] - _ADULT
    misfits = np.nanmean(np.abs(lengths - median(lengths)[:, None]), axis=1)
    own, best = misfits[0], int(misfits.argmin())
    share, text = max(_signs_in(distances), key=lambda sign: sign[0])
    margin, better = (_MARGIN, _BETTER) if share < _PLAIN else (_MARGIN / 2, _BETTER_PLAIN)
    if share < _SHOWN or own - misfits[best] < margin or misfits[best] > better * own:
        return None
    is_certain = own - misfits[best] >= _CERTAIN_MARGIN and misfits[best] <= certain * own
    sign = f"{text} in {share:.0%} of the hands"
    name = _NAMES.get(tuple(read_by[joint] for joint in orders[best]))
    return Misfit(names[best], bool(is_certain), sign, name)


def _log_distances(points: np.ndarray) -> np.ndarray:
    """Return (B, J, J) log of the distances between joints; NaN of a joint to itself."""
    distances = np.linalg.norm(points[:, :, None] - points[:, None], axis=3)
    distances[:, np.arange(NUM_JOINTS), np.arange(NUM_JOINTS)] = np.nan
    return np.log(np.maximum(distances, 1e-9))


@cache
def _candidates(read_by: Order) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the names and the orders (N, J) with ours[j] = theirs[order[j]], ours first.

    Theirs are the joints as they were read; orders with a name are tried on those of the file too.
    """
    named = {order: name for name, order in _NAMED.items()}
    found = {_PALM_TO_TIP: "ours"} | named
    for order, name in _NAMES.items() if read_by != _AS_OURS else ():
        again = tuple(read_by.index(joint) for joint in order)
        if again != _PALM_TO_TIP:
            found[again] = f"the file's own is {name}"
    for from_tip in (False, True):
        for fingers in permutations(range(5)):
            order = by_finger(*fingers, from_tip=from_tip)
            found.setdefault(order, _describe(fingers, from_tip, "wrist first"))
            wrist_last = (NUM_JOINTS - 1, *(joint - 1 for joint in order[1:]))
            found.setdefault(wrist_last, _describe(fingers, from_tip, "wrist last"))
    return tuple(found.values()), np.array(list(found))


def _describe(fingers: tuple[int, ...], from_tip: bool, wrist: str) -> str:
    moved = [finger for place, finger in enumerate(fingers) if place != finger]
    if len(moved) == 2 and not from_tip and wrist == "wrist first":
        one, other = (FINGERS[finger] for finger in sorted(moved))
        return f"ours with the {one} and the {other} finger swapped"
    names = ", ".join(FINGERS[finger] for finger in fingers)
    way = "from the tip to the palm" if from_tip else "from the palm to the tip"
    return f"{names}, each {way}, {wrist}"


def _signs_in(distances: np.ndarray) -> Iterator[tuple[float, str]]:
    """Yield the share of the hands with each sign of a wrong order, and its words."""
    for sign in _signs():
        short, long = (
            sum(np.exp(distances[:, start, end]) for start, end in pairs)
            for pairs in (sign.short, sign.long)
        )
        known = np.isfinite(short) & np.isfinite(long)
        yield (float((short > long)[known].mean()) if known.any() else 0.0), sign.text


@cache
def _signs() -> tuple[_Sign, ...]:
    return (*_finger_signs(), *_knuckle_signs(), *_thumb_signs())


def _finger_signs() -> Iterator[_Sign]:
    """The little finger is the shortest; the bone at the tip is the shortest of a finger."""
    fingers = {name: _bones_of(place) for place, name in enumerate(FINGERS)}
    for name in ("index", "middle", "ring"):
        text = f"the {name} finger is shorter than the little finger"
        yield _Sign(fingers["little"], fingers[name], text)
    for name in FINGERS[1:]:
        first, _, last = fingers[name]
        text = f"the {name} finger's bone at the tip is longer than that at the palm"
        yield _Sign((last,), (first,), text)


def _bones_of(finger: int) -> tuple[tuple[int, int], ...]:
    return BONES[4 * finger + 1 : 4 * finger + 4]


def _knuckle_signs() -> Iterator[_Sign]:
    """The knuckles of index to little finger are in a row."""
    for end, near, far in ((1, 2, 3), (1, 3, 4), (4, 3, 2), (4, 2, 1)):
        at, one, other = (KNUCKLES[finger] for finger in (end, near, far))
        text = (
            f"the {FINGERS[far]} finger's knuckle is nearer to the {FINGERS[end]} finger's "
            f"than the {FINGERS[near]} finger's"
        )
        yield _Sign(((at, one),), ((at, other),), text)


def _thumb_signs() -> Iterator[_Sign]:
    """The thumb starts near the wrist, on the side of the index finger."""
    thumb, *others = KNUCKLES
    for name, knuckle in zip(FINGERS[1:], others, strict=True):
        text = f"the {name} finger starts nearer to the wrist than the thumb"
        yield _Sign(((ROOT, thumb),), ((ROOT, knuckle),), text)
    text = "the thumb is nearer to the little finger than to the index finger"
    yield _Sign(((thumb + 1, others[0]),), ((thumb + 1, others[3]),), text)
