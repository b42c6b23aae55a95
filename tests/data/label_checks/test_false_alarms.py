"""Right labels pass: of any pose, orientation, side and size, noisy, partial, or in 2D alone."""

import numpy as np
import pytest
from natural_hands import flat, natural_hands

from handpose.data.label_checks.hands import Hands
from handpose.data.label_checks.per_hand import find_faults
from handpose.data.label_checks.per_source import Verdict, judge, judge_in_images

NOTHING = Verdict(None, None)
MANY = 1500


def partial(hands: Hands) -> Hands:
    """A quarter of the joints is unlabelled, at random."""
    unlabelled = np.random.default_rng(3).random(hands.uv.shape[:2]) < 0.25
    uv, xyz = hands.uv.copy(), hands.xyz.copy()
    uv[unlabelled] = xyz[unlabelled] = np.nan
    return hands._replace(uv=uv, xyz=xyz)


def without_camera(hands: Hands) -> Hands:
    """As YouTube 3D Hands: px with a relative depth in the same unit."""
    depth = 400 * (hands.xyz[..., 2:] - hands.xyz[:, :1, 2:])
    return hands._replace(
        xyz=np.concatenate((hands.uv, depth), axis=2), K=np.full_like(hands.K, np.nan)
    )


KINDS = {
    "complete": lambda: natural_hands(MANY),
    "2D": lambda: flat(natural_hands(MANY)),
    "partial": lambda: partial(natural_hands(MANY)),
    "partial 2D": lambda: flat(partial(natural_hands(MANY))),
    "no camera": lambda: without_camera(natural_hands(MANY)),
    "4 mm noise": lambda: natural_hands(MANY, noise=0.004),
    "large gloves": lambda: natural_hands(MANY, sizes=(1.1, 1.3)),
    "children": lambda: natural_hands(MANY, sizes=(0.6, 0.7)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_no_hand_is_refused(kind: str) -> None:
    hands = KINDS[kind]()
    assert find_faults(hands) == []
    assert judge(hands) == NOTHING
    assert judge_in_images(hands) == NOTHING


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9, 10, 20])
@pytest.mark.parametrize("make", [lambda hands: hands, flat])
def test_no_small_source_is_refused(count: int, make: object) -> None:
    everything = make(natural_hands(MANY))  # type: ignore[operator]
    rng = np.random.default_rng(count)
    for _ in range(100):
        some = rng.choice(MANY, count, replace=False)
        hands = Hands(*(column[some] for column in everything))
        assert judge(hands) == judge_in_images(hands) == NOTHING


@pytest.mark.parametrize("seed", range(5))
def test_an_annotator_s_habits_are_not_refused(seed: int) -> None:
    """Each joint of all hands is 6 px off in its own direction, of hands of about 80 px."""
    hands = flat(natural_hands(MANY))
    odd = np.random.default_rng(seed).normal(0, 6, (1, 21, 2))
    assert judge(hands._replace(uv=hands.uv + odd)).fault is None
