"""Images without a hand: of every kind, the same each time, and with no hand's own place left."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from handpose.data.sources.synthetic import Synthetic
from handpose.data.targets_dataset import TargetDataset
from handpose.data.without_hand import WithoutHand, image_without_hand


@pytest.fixture
def crop(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (3, 64, 64), dtype=np.uint8)


@pytest.mark.parametrize("kind", range(5))
def test_each_kind_is_an_image_like_the_crop(crop: np.ndarray, kind: int) -> None:
    made = [image_without_hand(np.random.default_rng(seed), crop, kind) for seed in (0, 0, 1)]
    assert (made[0].shape, made[0].dtype) == (crop.shape, np.uint8)
    assert made[0].flags.c_contiguous
    assert (made[0] == made[1]).all()
    assert (made[0] != made[2]).any()
    assert (made[0] != crop).mean() > 0.5


def test_tiles_are_those_of_the_crop_in_another_order(crop: np.ndarray) -> None:
    mixed = image_without_hand(np.random.default_rng(0), crop, 3)

    def tiles(image: np.ndarray) -> set[bytes]:
        return {
            image[:, y : y + 16, x : x + 16].tobytes()
            for y in range(0, 64, 16)
            for x in range(0, 64, 16)
        }

    assert tiles(mixed) == tiles(crop)
    assert len(tiles(crop)) == 16


def test_a_split_of_few_hands_gives_as_many_as_asked_for(
    tmp_path: Path, make_settings: Callable
) -> None:
    source = Synthetic(root=str(tmp_path), split="val", num_val=3, render_size=48)
    hands = TargetDataset(source, make_settings(), seed=0)
    images = WithoutHand(hands, 8)
    assert len(images) == 8
    assert images.strata == ((8, 1.0),)
    made, hand = images[0, 4], hands[0, 1]
    assert (made.uvz == hand.uvz).all()
    assert (made.image != hand.image).mean() > 0.5
    assert (images[3, 4].image == made.image).all(), "of the place alone"
