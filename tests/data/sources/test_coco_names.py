"""Keypoint names: several spellings are one order, and half a hand is no hand."""

from collections.abc import Callable

import pytest
from layouts_coco import BY_HAND, BY_HAND_ORDER, MEDIAPIPE, MMPOSE

from handpose.coco_format import KEYPOINTS
from handpose.data.sources.coco_names import joint_order, side_in
from handpose.skeleton import INTERHAND_ORDER, JOINT_NAMES, MANO_ORDER

INTERHAND = (
    *(f"r_{finger}{k}" for finger in ("thumb", "index", "middle", "ring", "pinky") for k in "4321"),
    "r_wrist",
)
MANO = (
    "left_wrist",
    *(
        f"left_{finger}{k}"
        for finger in ("index", "middle", "pinky", "ring", "thumb")
        for k in (1, 2, 3)
    ),
    *(f"left_{finger}_tip" for finger in ("thumb", "index", "middle", "ring", "pinky")),
)
OURS = tuple(range(21))


@pytest.mark.parametrize("names", [JOINT_NAMES, KEYPOINTS, MMPOSE, MEDIAPIPE], ids=str)
def test_names_in_our_order(names: tuple[str, ...]) -> None:
    assert joint_order(names) == OURS


def test_names_in_other_orders() -> None:
    assert joint_order(BY_HAND) == BY_HAND_ORDER
    assert joint_order(INTERHAND) == INTERHAND_ORDER
    assert joint_order(MANO) == MANO_ORDER


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        lambda name: name.replace("_", "-"),
        lambda name: f"Left {name}",
        lambda name: f"RightHand{name.title().replace('_', '')}",
        lambda name: name.replace("_", ""),
        lambda name: f" {name} joint ",
        lambda name: name.replace("1", "01"),
    ],
)
def test_spelling_does_not_matter(change: Callable[[str], str]) -> None:
    assert joint_order([change(name) for name in MMPOSE]) == OURS
    assert joint_order([change(name) for name in KEYPOINTS]) == OURS


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (MMPOSE[:20], "20 keypoint names, where 21 are expected"),
        (("palm", *MMPOSE[1:]), "keypoint names not understood: palm"),
        (tuple(map(str, range(21))), "not understood: 0, 1, 2, 3, 4 and 16 more"),
        ((*MMPOSE[:20], "thumb1"), "thumb1 and thumb1 name the same joint"),
        ((*MMPOSE[:20], "Thumb-1"), "thumb1 and Thumb-1 name the same joint"),
        ((*MMPOSE[:19], "pinky mcp", "pinky tip"), "little are named 1, 2, mcp, tip: not underst"),
        ((*MMPOSE[:20], "thumb9"), "thumb are named 1, 2, 3, 4, 9: not understood"),
        ((*MMPOSE[1:], "index 5"), "no keypoint is named wrist"),
    ],
)
def test_what_is_not_understood_is_named(names: tuple[str, ...], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        joint_order(names)


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("left_hand", "left"),
        ("RightHand", "right"),
        ("righthand", "right"),
        ("hand-L", "left"),
        ("R", "right"),
        ("hand", None),
        ("left_or_right_hand", None),
        ("bright hand", None),
    ],
)
def test_the_side_of_a_name(name: str, side: str | None) -> None:
    assert side_in(name) == side
