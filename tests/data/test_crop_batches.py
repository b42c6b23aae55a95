"""Batches of crops give the columns of the workers bit for bit, and their views to rounding."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from layouts import write_freihand
from torch import Tensor
from torch.utils._pytree import tree_leaves

from handpose.augment.reach import Reach
from handpose.data import unreadable as module
from handpose.data.base import HandDataset
from handpose.data.batches import DrawnDataset, as_tensors
from handpose.data.crop_batches import CropBatches
from handpose.data.loaders import build_loader
from handpose.data.positives.mining import mine
from handpose.data.resident import copy_to_device, misfit
from handpose.data.sources.freihand import FreiHand
from handpose.data.sources.synthetic import Synthetic
from handpose.data.targets_dataset import TargetDataset
from handpose.data.unreadable import UnreadableList
from handpose.data.views_dataset import ViewDataset
from handpose.training.device_views import rendered

ALL = ("rotate", "crop", "gaussian_noise", "gaussian_blur", "cut_out", "colour_jitter", "sobel")
KEYS = [(0, 3), (2, 0), (2, 7), (1, 3), (5, 9)]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Synthetic:
    """Images four times as fine as the views, so that crops are halved; left and right hands."""
    root = str(tmp_path_factory.mktemp("renders"))
    return Synthetic(
        root=root, split="train", num_train=10, render_size=192, orientation="any", image_size=32
    )


@pytest.fixture(params=["pairs", "mined", "targets"])
def dataset(
    request: pytest.FixtureRequest, source: Synthetic, make_settings: Callable
) -> DrawnDataset[Any]:
    settings = make_settings(*ALL)
    if request.param == "targets":
        return TargetDataset(source, settings, seed=1, indices=np.arange(10))
    if request.param == "pairs":
        return ViewDataset(source, {"part": settings}, seed=1)
    options = dict(num_dims=5, neighbours=3, exclude="identity", weighted=True)
    mined = mine(source, joints="given", **options)
    parts = {"mined": settings, "own": make_settings("crop")}
    return ViewDataset(source, parts, seed=1, mined=mined, mined_parts={"mined"})


def gather_of(source: HandDataset, reach: Reach) -> Callable[[np.ndarray], np.ndarray]:
    """What packed crops give: slots of one size, with anything beside the crops."""

    def gather(places: np.ndarray) -> np.ndarray:
        slots = np.full((len(places), 200, 210, 3), 77, dtype=np.uint8)
        for slot, place in zip(slots, places.tolist(), strict=True):
            image = reach.crop(source[place]).image
            slot[: image.shape[0], : image.shape[1]] = image
        return slots

    return gather


def images(batch: Any) -> list[Tensor]:
    return [one.image for one in (batch.values() if isinstance(batch, dict) else [batch])]


def columns(batch: Any) -> list[Tensor]:
    """All but the images."""
    own = images(batch)
    return [leaf for leaf in tree_leaves(batch) if not any(leaf is image for image in own)]


def test_they_are_the_batches_of_the_workers(dataset: DrawnDataset[Any]) -> None:
    expected = as_tensors(dataset.__getitems__(KEYS))
    found = rendered(as_tensors(CropBatches(dataset).__getitems__(KEYS)), None)
    assert type(found) is type(expected)
    pairs = zip(columns(found), columns(expected), strict=True)
    assert all(a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs)
    for mine_, theirs in zip(images(found), images(expected), strict=True):
        assert mine_.shape == theirs.shape
        assert mine_.dtype == torch.uint8
        assert (mine_.int() - theirs.int()).abs().float().mean() <= 0.5
        assert theirs.float().std() > 10


def test_gathered_and_resident_crops_give_the_bits_of_decoded_ones(
    dataset: DrawnDataset[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    gather = gather_of(dataset.source, dataset.reach)
    places = np.arange(10)
    decoded = rendered(as_tensors(CropBatches(dataset).__getitems__(KEYS)), None)
    crops = copy_to_device(gather, places, CPU)
    gathered = CropBatches(dataset, gather=gather)
    lying = CropBatches(dataset, resident=places)
    found = [rendered(as_tensors(gathered.__getitems__(KEYS)), None)]
    monkeypatch.setattr(Synthetic, "__getitem__", None)  # reads no pixel
    small = as_tensors(lying.__getitems__(KEYS))
    assert small.crops.pixels.numel() == 0
    found.append(rendered(small, crops))
    for batch in found:
        for own, other in zip(tree_leaves(batch), tree_leaves(decoded), strict=True):
            assert torch.equal(own, other)
    wrong = rendered(small, crops.roll(1, 0))
    assert not torch.equal(images(wrong)[0], images(decoded)[0])


def test_a_batch_has_each_crop_once(source: Synthetic, make_settings: Callable) -> None:
    settings = {"a": make_settings("rotate"), "b": make_settings("crop")}
    batch = CropBatches(ViewDataset(source, settings, seed=1)).__getitems__(KEYS)
    assert len(batch.crops.pixels) == 4  # sample 3 comes twice


def test_same_batches_with_0_and_2_workers(source: Synthetic, make_settings: Callable) -> None:
    views = ViewDataset(source, {"part": make_settings(*ALL)}, seed=1)
    batches = []
    for num_workers in (0, 2):
        loader = build_loader(
            views,
            batch_size=4,
            training=True,
            num_workers=num_workers,
            seed=1,
            crops=CropBatches(views),
        )
        loader.sampler.set_epoch(3)  # type: ignore[attr-defined]
        batches.append([rendered(batch, None)["part"] for batch in loader])
    assert len(batches[0]) == 2
    for own, other in zip(*batches, strict=True):
        assert torch.equal(own.image, other.image)
        assert torch.equal(own.index, other.index)


def test_an_unreadable_image_is_replaced_as_by_workers(
    tmp_path: Path, make_settings: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAUSES", ())
    write_freihand(tmp_path / "root", annotations=4, versions=2, evaluation=0)
    source = FreiHand(
        root=str(tmp_path / "root"),
        cache=str(tmp_path / "cache"),
        split="train",
        image_size=32,
        val_fraction=0.25,
        box_side=0.7,
    )
    (source.root / source.image_name(3)).write_bytes(b"")
    listed = UnreadableList(tmp_path / "unreadable.csv", limit=2)
    targets = TargetDataset(source, make_settings("rotate"), seed=1, unreadable=listed)
    keys = [(time, 3) for time in range(5)]
    expected = as_tensors(targets.__getitems__(keys))
    found = rendered(as_tensors(CropBatches(targets).__getitems__(keys)), None)
    assert 3 not in found.index
    assert torch.equal(found.index, expected.index)
    assert (found.image.int() - expected.image.int()).abs().float().mean() <= 0.5


def test_crops_that_do_not_fit_are_refused_with_both_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("handpose.data.resident.free_bytes", lambda device: 4_000_000_000)
    assert misfit(2_000_000_000, CPU) is None
    problem = misfit(2_010_000_000, CPU)
    assert problem is not None
    assert "take 2.01 GB" in problem
    assert "is 2.00 GB" in problem
