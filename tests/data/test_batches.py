"""A batch has the columns that `default_collate` makes of single items, bit for bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch.utils._pytree import tree_leaves
from torch.utils.data import default_collate

from handpose.augment.reach import reach_of
from handpose.augment.settings import Augmentation
from handpose.augment.views import make_target, make_views
from handpose.data.base import HandDataset
from handpose.data.batches import as_tensors
from handpose.data.crop_batches import CropBatches
from handpose.data.positives.mining import mine
from handpose.data.sampling import sample_rng
from handpose.data.sources.mix import Mix
from handpose.data.sources.synthetic import Synthetic
from handpose.data.targets_dataset import TargetDataset
from handpose.data.views_dataset import ViewDataset
from handpose.records import Sample, Views
from handpose.training.device_views import rendered

ALL = ("rotate", "crop", "gaussian_noise", "gaussian_blur", "cut_out", "colour_jitter", "sobel")
KEYS = [(0, 3), (2, 0), (2, 7), (1, 3), (5, 9)]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Synthetic:
    root = str(tmp_path_factory.mktemp("renders"))
    return Synthetic(
        root=root, split="train", num_train=10, render_size=48, orientation="any", image_size=32
    )


def equal(one: Any, other: Any) -> bool:
    """In every column, its dtype and its shape."""
    pairs = zip(tree_leaves(one), tree_leaves(other), strict=True)
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs)


class Whole(HandDataset):
    """A user's own dataset: it knows its labels only together with the image."""

    def __init__(self, source: Synthetic) -> None:
        super().__init__(split="train", image_size=source.image_size)
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Sample:
        return self.source[index]

    @property
    def identities(self) -> np.ndarray:
        return self.source.identities

    def poses(self, indices: np.ndarray | None = None) -> np.ndarray:
        return self.source.poses(indices)


class LargerCrops(Whole):
    """Its samples are crops, of a reach that is not that of the views."""

    def without_pixels(self, index: int) -> Sample:
        return self.source.without_pixels(index)

    def with_pixels(self, index: int, sample: Sample) -> Sample:
        larger = reach_of([Augmentation(margin_range=(0.4, 3.0))], self.image_size)
        return larger.crop(self.source[index])


@pytest.mark.parametrize("kind", [Whole, LargerCrops])
def test_other_ways_to_read_a_sample_give_the_same_views(
    kind: type, source: Synthetic, make_settings: Callable
) -> None:
    settings = {"": make_settings(*ALL)}
    batch, again = (
        as_tensors(ViewDataset(one, settings, seed=1).__getitems__(KEYS))
        for one in (source, kind(source))
    )
    assert equal(batch, again)


def _pair(source: Synthetic, settings: Any, time: int, index: int) -> Views:
    rng = sample_rng(1, time, index)
    return make_views(source[index], settings, rng=rng, size=32, identity=index, index=index)


def test_pairs(source: Synthetic, make_settings: Callable) -> None:
    settings = make_settings(*ALL)
    views = ViewDataset(source, {"part": settings}, seed=1)
    batch = as_tensors(views.__getitems__(KEYS))
    assert equal(batch, default_collate([{"part": _pair(source, settings, *k)} for k in KEYS]))
    assert equal(batch, default_collate([views[key] for key in KEYS]))
    assert not equal(batch, as_tensors(views.__getitems__([*KEYS[:-1], (5, 8)])))


def test_mined_pairs_beside_pairs_of_another_part(
    source: Synthetic, make_settings: Callable
) -> None:
    options = dict(num_dims=5, neighbours=3, exclude="identity", weighted=True)
    views = ViewDataset(
        source,
        {"mined": make_settings(*ALL), "own": make_settings("rotate")},
        seed=1,
        mined=mine(source, joints="given", **options),
        mined_parts={"mined"},
    )
    batch = as_tensors(views.__getitems__(KEYS))
    assert equal(batch, default_collate([views[key] for key in KEYS]))
    assert batch["mined"].pose.shape == (5, 2, 5)
    assert (batch["mined"].index[:, 0] != batch["mined"].index[:, 1]).all()


def test_targets(source: Synthetic, make_settings: Callable) -> None:
    settings, indices = make_settings(*ALL), np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])[::-1]
    targets = TargetDataset(source, settings, seed=1, indices=indices)
    alone = [
        make_target(source[index], settings, rng=sample_rng(1, time, index), size=32, index=index)
        for time, index in ((time, int(indices[place])) for time, place in KEYS)
    ]
    batch = as_tensors(targets.__getitems__(KEYS))
    assert equal(batch, default_collate(alone))
    assert equal(batch, default_collate([targets[key] for key in KEYS]))


def test_collation_copies_nothing(source: Synthetic, make_settings: Callable) -> None:
    batch = TargetDataset(source, make_settings(), seed=1).__getitems__(KEYS)
    tensors = as_tensors(batch)
    assert tensors.image is batch.image
    batch.uvz[:] = 7
    assert (tensors.uvz == 7).all()


def test_a_single_item_has_no_axis_of_the_batch(source: Synthetic, make_settings: Callable) -> None:
    target = TargetDataset(source, make_settings(), seed=1)[0, 0]
    assert apply_to_collection(target, np.ndarray, np.shape).image == (3, 32, 32)
    assert isinstance(target.bone, np.float32)


class Inverted(Synthetic):
    """What a user may write: other pixels and another box, by the contract's first method alone."""

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        return sample._replace(image=255 - sample.image, box=sample.box * np.float32(0.8))


@pytest.mark.parametrize("is_part", [False, True])
def test_a_source_of_changed_samples_is_not_read_past_them(
    is_part: bool, make_settings: Callable, tmp_path: Path
) -> None:
    """Alone and in a mix, by the workers and for the device."""

    def opened(**contract: Any) -> Inverted:
        return Inverted(root=str(tmp_path), num_train=10, render_size=48, **contract)

    contract = dict(split="train", image_size=32)
    source: HandDataset = opened(**contract)
    if is_part:
        source = Mix(parts={"own": opened}, sources=["own"], **contract)
    settings = make_settings("rotate", "crop")
    targets = TargetDataset(source, settings, seed=1)
    expected = default_collate(
        [
            make_target(
                source[index], settings, rng=sample_rng(1, time, index), size=32, index=index
            )
            for time, index in KEYS
        ]
    )
    assert equal(as_tensors(targets.__getitems__(KEYS)), expected)
    found = rendered(as_tensors(CropBatches(targets).__getitems__(KEYS)), None)
    assert (found.image.int() - expected.image.int()).abs().max() <= 2
    assert torch.equal(found.affine, expected.affine)
