"""Frames of one video, or a person's folder, are a group; the wrong level is not taken."""

from collections import Counter
from itertools import pairwise

import pytest

from handpose.data.sources.folder_images import group_by_name, natural_order

FRAMES = [f"{i:03d}.jpg" for i in range(8)]


@pytest.mark.parametrize(
    ("names", "kind", "groups"),
    [
        ([f"p{p}/c{c}/{f}" for p in range(10) for c in range(2) for f in FRAMES], "top folder", 10),
        ([f"p{p}/c{c}/{f}" for p in range(2) for c in range(6) for f in FRAMES], "folder", 12),
        ([f"clip{c}_{f}" for c in range(10) for f in FRAMES], "folder and name up to its", 10),
        (
            [f"p{p}/{c}_{f}" for p in range(3) for c in "abcd" for f in FRAMES],
            "folder and name",
            12,
        ),
        ([f"IMG_{i:04d}.jpg" for i in range(60)], "neighbours, 30 blocks of 2 numbers", 30),
    ],
)
def test_the_coarsest_level_with_enough_groups(names: list[str], kind: str, groups: int) -> None:
    found, said = group_by_name(names)
    assert said.startswith(kind)
    assert len(set(found)) == groups
    assert len(found) == len(names)
    assert len(set(Counter(found).values())) == 1  # these are even


def test_a_folder_with_most_of_the_pictures_is_no_group() -> None:
    names = [f"small{i}/1.jpg" for i in range(20)] + [f"big/{i}.jpg" for i in range(100)]
    groups, kind = group_by_name(names)
    assert kind.startswith("neighbours")
    assert max(Counter(groups).values()) == 16


def test_blocks_are_of_neighbours_by_the_value_of_their_numbers() -> None:
    names = [f"IMG_{i}.jpg" for i in range(100)]
    groups, _ = group_by_name(names[::-1])
    of = dict(zip(names[::-1], groups, strict=True))
    changes = [of[a] != of[b] for a, b in pairwise(names)]
    assert sum(changes) == 24  # 25 blocks of 4; sorted as text there would be many more
    assert sorted(["a10", "a9", "b1"], key=natural_order) == ["a9", "a10", "b1"]


def test_versions_of_an_image_that_roboflow_augments_are_together() -> None:
    """Their names differ in a hash, whose digits are no number of a frame."""
    hashes = [f"{0x9E3779B97F4A7C15 * (i + 1) % 2**128:032x}" for i in range(180)]
    names = [f"train/{h}_jpg.rf.{hashes[3 * h + v]}.jpg" for h in range(60) for v in range(3)]
    groups, kind = group_by_name(names)
    assert kind == "neighbours, 30 blocks of 2 numbers in a row"
    assert [len(set(groups[i : i + 6])) for i in range(0, 180, 6)] == [1] * 30
    named = [f"{name}_png.rf.{h}.png" for name, h in zip(90 * ["cup", "jug"], hashes, strict=True)]
    assert len(set(group_by_name(named)[0])) == 2


def test_fewer_pictures_than_blocks() -> None:
    groups, _ = group_by_name([f"{i}.jpg" for i in range(5)])
    assert len(set(groups)) == 5
