"""Wrong labels are refused, with the likely cause: a whole source, or the single hands of it."""

import re
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from natural_hands import flat, natural_hands, reordered

from handpose.data.label_checks.hands import ADULT, ADULT_PALM, Hands
from handpose.data.label_checks.joint_order import find_order
from handpose.data.label_checks.per_hand import find_faults
from handpose.data.label_checks.per_source import judge
from handpose.data.synthetic.anatomy import MEAN_BASES, MEAN_LENGTHS
from handpose.skeleton import BONES, INTERHAND_ORDER, MANO_ORDER

MANY = 1000


@pytest.fixture
def hands() -> Hands:
    return natural_hands(MANY)


def in_unit(factor: float) -> Callable[[Hands], Hands]:
    return lambda hands: hands._replace(xyz=factor * hands.xyz)


def mapped(matrix: list[float]) -> Callable[[Hands], Hands]:
    return lambda hands: hands._replace(xyz=hands.xyz * matrix)


def with_uv(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Hands], Hands]:
    return lambda hands: hands._replace(uv=change(hands.uv))


def with_unlabelled_at(value: float) -> Callable[[Hands], Hands]:
    """The same three joints of each hand, in 2D and in 3D."""

    def change(hands: Hands) -> Hands:
        uv, xyz = hands.uv.copy(), hands.xyz.copy()
        uv[:, [4, 8, 20]] = xyz[:, [4, 8, 20]] = value
        return hands._replace(uv=uv, xyz=xyz)

    return change


def mirrored(hands: Hands) -> Hands:
    return hands._replace(is_left=~hands.is_left)


def with_flipped_depth(hands: Hands) -> Hands:
    """About the wrist, seen from so far that the 2D hardly tells."""
    z = hands.xyz[:, :1, 2:]
    xyz = np.concatenate((hands.xyz[..., :2], 2 * z - hands.xyz[..., 2:]), axis=2)
    return hands._replace(xyz=xyz, uv=np.full_like(hands.uv, np.nan))


RHD = (0, *(4 * finger + 4 - joint for finger in range(5) for joint in range(4)))
THUMB_LAST = (0, *range(17, 21), *range(1, 17))
SOURCES: dict[str, tuple[Callable[[Hands], Hands], str]] = {
    "millimetres": (in_unit(1000), "xyz is in millimetres, .* Divide xyz by 1000"),
    "centimetres": (in_unit(100), "xyz is in centimetres, .* Divide xyz by 100"),
    "bone of length 1": (in_unit(11), "xyz is not in metres"),
    "0 to 1": (
        with_uv(lambda uv: uv / 256),
        "uv is normalised, .* Multiply u by the image's width",
    ),
    "0, 0": (with_unlabelled_at(0.0), "joints at the origin.* null"),
    "-1, -1": (with_unlabelled_at(-1.0), "joints at the origin.* null"),
    "OpenGL": (mapped([1, -1, -1]), "OpenGL's frame, it seems. Negate y and z"),
    "relative": (
        lambda hands: hands._replace(xyz=hands.xyz - hands.xyz[:, :1]),
        "relative to a joint or to the world",
    ),
    "y up": (mapped([1, -1, 1]), "y points up, it seems. Negate y"),
    "v, u": (with_uv(lambda uv: uv[..., ::-1]), "u and v are swapped, it seems"),
    "another image": (with_uv(lambda uv: uv / 2), "an image 2 times .* first two rows by 0.5"),
    "another camera": (with_uv(lambda uv: uv + 40), "57 px away from uv.* before it was cropped"),
    "noise": (
        with_uv(lambda uv: uv + np.random.default_rng(0).normal(0, 30, uv.shape)),
        "px away from uv, most hands. Are the units metres",
    ),
    "InterHand2.6M": (lambda hands: reordered(hands, INTERHAND_ORDER), "InterHand2.6M's"),
    "MANO": (lambda hands: reordered(hands, MANO_ORDER), "MANO's and HO-3D's"),
    "RHD": (lambda hands: reordered(hands, RHD), "RHD's"),
    "thumb last": (lambda hands: reordered(hands, THUMB_LAST), "thumb last"),
    "InterHand2.6M in 2D": (lambda hands: flat(reordered(hands, INTERHAND_ORDER)), "InterHand"),
    "RHD in 2D": (lambda hands: flat(reordered(hands, RHD)), "RHD's"),
    "sides": (mirrored, "left and right are swapped, it seems"),
    "depth": (with_flipped_depth, "or an axis of xyz is flipped"),
}


@pytest.mark.parametrize("mistake", SOURCES)
@pytest.mark.parametrize("count", [12, MANY])
def test_a_source_is_refused_with_the_likely_cause(mistake: str, count: int, hands: Hands) -> None:
    make, words = SOURCES[mistake]
    some = Hands(*(column[:count] for column in hands))
    assert re.search(words, judge(make(some)).fault or "nothing")


def test_the_adult_is_that_of_the_renders() -> None:
    """Two lists of the same lengths: they may not drift apart."""
    reach = np.linalg.norm(MEAN_BASES, axis=1)
    made = np.concatenate((reach[:, None], MEAN_LENGTHS), axis=1).ravel()
    assert len(made) == len(BONES)
    assert pytest.approx(made, abs=1e-3) == ADULT
    apart = [np.linalg.norm(one - other) for one, other in combinations(MEAN_BASES, 2)]
    assert pytest.approx(apart, abs=1e-3) == ADULT_PALM


@pytest.mark.parametrize("count", [1, 3, 12])
def test_an_order_is_named_from_a_few_hands(count: int) -> None:
    """In 3D one hand is enough; in 2D ten are, and fewer say nothing."""
    everything = natural_hands(MANY)
    rng = np.random.default_rng(count)
    named = 0
    for _ in range(100):
        some = rng.choice(MANY, count, replace=False)
        wrong = reordered(Hands(*(column[some] for column in everything)), INTERHAND_ORDER)
        in_3d = find_order(wrong.uv, wrong.xyz)
        assert in_3d is not None
        assert (in_3d.is_certain, in_3d.order[:9]) == (True, "InterHand")
        in_2d = find_order(wrong.uv, flat(wrong).xyz)
        named += in_2d is not None and in_2d.is_certain and in_2d.order.startswith("InterHand")
    assert named == (100 if count == 12 else 0)


def test_a_warning_where_2d_bones_fit_another_order_somewhat_better(hands: Hands) -> None:
    order = (0, *(17 - 4 * finger + joint for finger in range(5) for joint in range(4)))
    odd = np.random.default_rng(0).normal(0, 6, (1, 21, 2))  # px: an annotator's own habits
    shaky = flat(hands)._replace(uv=hands.uv + odd)
    verdict = judge(reordered(shaky, order))
    assert verdict.fault is None
    assert "of the hands: another order of the joints fits better: " in str(verdict.warning)
    right = judge(shaky)
    assert (right.fault, right.warning) == (None, None)


def test_unusual_sizes_are_a_warning() -> None:
    small = judge(natural_hands(50, sizes=(0.4, 0.4)))
    assert small.fault is None
    assert "0.4 times as long as an adult's" in (small.warning or "")


def changed(hands: Hands, number: int, **values: np.ndarray | float) -> Hands:
    """One hand with other values; a tuple (joint, value) is of that joint."""
    columns = {name: getattr(hands, name).copy() for name in values}
    for name, value in values.items():
        if isinstance(value, tuple):
            joint, at = value
            columns[name][number, joint] = at
        else:
            columns[name][number] = value
    return hands._replace(**columns)


ONE: dict[str, tuple[Callable[[Hands], Hands], str]] = {
    "unlabelled": (lambda h: changed(h, 3, uv=(4, (0, 0))), "uv of joint 4 is 0, 0, far from"),
    "behind": (lambda h: changed(h, 3, xyz=(7, (0, 0, -0.2))), "joint 7 is behind the camera"),
    "millimetres": (lambda h: changed(h, 3, xyz=1000 * h.xyz[3]), "give xyz in metres"),
    "far joint": (
        lambda h: changed(h, 3, xyz=h.xyz[3] + 0.15 * np.eye(21)[8][:, None], uv=np.nan),
        "index DIP to index tip is .* mm long",
    ),
    "same joint": (
        lambda h: changed(h, 3, xyz=(8, h.xyz[3, 7]), uv=(8, h.uv[3, 7])),
        "index DIP to index tip is 0 mm long",
    ),
    "other K": (lambda h: changed(h, 3, uv=h.uv[3] + 10), "14 px away from uv"),
    "far off": (lambda h: changed(h, 3, uv=(4, (5000, 20)), xyz=np.nan), "joint 4 is at 5000 x"),
    "box off": (lambda h: changed(h, 3, box=np.array([900, 900, 50])), "is off the image"),
    "dot": (lambda h: changed(h, 3, box=np.array([128, 128, 1e-9])), "is smaller than 2 px"),
    "huge": (
        lambda h: changed(h, 3, box=np.array([128, 128, 1e9])),
        "over 10 times the image's side",
    ),
    "elsewhere": (lambda h: changed(h, 3, box=np.array([250, 250, 5])), "holds none of its joints"),
}


@pytest.mark.parametrize("mistake", ONE)
def test_a_single_hand_is_named(mistake: str) -> None:
    make, words = ONE[mistake]
    (fault,) = find_faults(make(natural_hands(20)))
    assert fault.row == 3
    assert re.search(words, fault.reason)
    assert judge(make(natural_hands(20))).fault is None


def test_bent_hands_of_the_wrong_side_are_named_one_by_one(hands: Hands) -> None:
    swapped = np.arange(MANY) % 10 == 0
    some = hands._replace(is_left=hands.is_left ^ swapped)
    assert judge(some).fault is None
    named = {fault.row for fault in find_faults(some) if "bend backwards" in fault.reason}
    assert named <= set(np.flatnonzero(swapped))
    assert len(named) > 0.5 * swapped.sum()
