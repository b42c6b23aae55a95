"""Batches from packed raw crops are those from the images, bit for bit, whatever the images."""

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pictures import SIZES, Pictures

from handpose.augment.pixels import reusing_memory
from handpose.augment.reach import reach_of
from handpose.data.base import HandDataset
from handpose.data.loaders import build_loader
from handpose.data.packed.dataset import Packed
from handpose.data.packed.opening import with_pack
from handpose.data.positives.mining import mine
from handpose.data.recropped import Recropped
from handpose.data.sources.mix import Mix
from handpose.data.targets_dataset import TargetDataset
from handpose.data.views_dataset import ViewDataset

GEOMETRY = ("rotate", "crop", "random_crop")
ALL = (*GEOMETRY, "colour_jitter", "gaussian_noise", "gaussian_blur", "cut_out")


def packed(source: HandDataset, settings: Sequence[Any], folder: Path) -> Packed:
    """The source with packed crops of these augmentations."""
    found = with_pack(source, reach_of(settings, source.image_size), folder)
    assert isinstance(found, Packed)
    return found


def batches(dataset: Any, *, num_workers: int = 0) -> list[list[torch.Tensor]]:
    """All columns of the batches of two epochs."""
    loader: Any = build_loader(
        dataset, batch_size=2, training=True, num_workers=num_workers, seed=1
    )
    found = []
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)
        found += [list(columns(batch)) for batch in loader]
    return found


def columns(batch: Any) -> Any:
    for one in batch.values() if isinstance(batch, dict) else batch:
        if isinstance(one, torch.Tensor):
            yield one
        else:
            yield from columns(one)


def same(first: list[list[torch.Tensor]], second: list[list[torch.Tensor]]) -> bool:
    return all(
        torch.equal(one, other)
        for left, right in zip(first, second, strict=True)
        for one, other in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("size", [SIZES[:3], SIZES[3:], SIZES], ids=["small", "large", "all"])
def test_pretraining_gets_the_same_pairs(
    size: Sequence[tuple[int, int]], make_settings: Callable, tmp_path: Path
) -> None:
    """Of a hybrid objective, whose parts share the crop of their common reach."""
    parts = {
        "near": make_settings("colour_jitter", "gaussian_noise", probability=1.0),
        "far": make_settings(*ALL, angle=(-180, 180), shift_along="view"),
    }
    source = Pictures(size, packed=True)
    own = packed(source, list(parts.values()), tmp_path)
    views, other = ViewDataset(source, parts, seed=3), ViewDataset(own, parts, seed=3)
    expected = batches(views)
    assert same(expected, batches(other))
    assert same(expected, batches(other, num_workers=2))
    assert not same(expected, batches(ViewDataset(source, parts, seed=4)))


@pytest.mark.parametrize("is_cut_out_at_joint", [False, True])
def test_finetuning_gets_the_same_targets(
    is_cut_out_at_joint: bool, make_settings: Callable, tmp_path: Path
) -> None:
    at = {"cut_out_at": "joint", "probability": 1.0} if is_cut_out_at_joint else {}
    settings, source = make_settings(*ALL, **at), Pictures(packed=True, crop_by="joints")
    own = packed(source, [settings], tmp_path)
    plain = TargetDataset(source, settings, seed=3, indices=np.array([0, 1, 3, 4]))
    other = TargetDataset(own, settings, seed=3, indices=np.array([0, 1, 3, 4]))
    assert same(batches(plain), batches(other))
    with reusing_memory():
        assert same(batches(plain), batches(other))


def test_mined_partners_are_packed_too(make_settings: Callable, tmp_path: Path) -> None:
    settings, source = make_settings(*ALL), Pictures(SIZES * 3, packed=True)
    mined = mine(source, joints="given", num_dims=3, neighbours=2, exclude="none", weighted=True)
    parts = {"mined": settings}
    own = packed(source, [settings], tmp_path)
    options: Any = dict(seed=3, mined=mined, mined_parts=["mined"])
    expected = batches(ViewDataset(source, parts, **options))
    assert same(expected, batches(ViewDataset(own, parts, **options)))
    assert any((columns[-3][:, 0] != columns[-3][:, 1]).any() for columns in expected)


def test_a_mix_is_packed_as_one(make_settings: Callable, tmp_path: Path) -> None:
    parts = {
        "small": lambda **contract: Pictures(SIZES[:2], seed=1, **contract),
        "large": lambda **contract: Pictures(SIZES[2:], seed=2, **contract),
    }
    source = Mix(parts=parts, sources=["large", "small"], split="train", image_size=48, packed=True)
    settings = make_settings(*ALL)
    own = packed(source, [settings], tmp_path)
    assert own.strata == source.strata
    expected = batches(ViewDataset(source, {"": settings}, seed=3))
    assert same(expected, batches(ViewDataset(own, {"": settings}, seed=3)))


def test_labels_and_the_rest_of_the_contract_are_the_source_s(
    make_settings: Callable, tmp_path: Path
) -> None:
    source = Pictures(packed=True)
    own = packed(source, [make_settings(*GEOMETRY)], tmp_path)
    names = [name for name in vars(HandDataset) if isinstance(vars(HandDataset)[name], property)]
    assert "capture_groups" in names
    for name in set(names) - {"whole"}:
        assert str(getattr(own, name)) == str(getattr(source, name)), name
    assert own.whole is source
    assert own.sample_keys() == source.sample_keys()
    for index in range(len(source)):
        for name in ("uv", "xyz", "K", "box", "side", "key"):
            assert np.array_equal(getattr(own[index], name), getattr(source[index], name)), name


def test_a_pack_pickles_as_its_path(make_settings: Callable, tmp_path: Path) -> None:
    own = packed(Pictures(packed=True), [make_settings(*GEOMETRY)], tmp_path)
    expected = own.pack.pixels(np.arange(5))
    content = pickle.dumps(own.pack)
    assert len(content) < 500
    assert np.array_equal(pickle.loads(content).pixels(np.arange(5)), expected)
    assert np.array_equal(pickle.loads(pickle.dumps(own))[3].image, own[3].image)


def test_a_gather_has_each_crop_in_the_upper_left_of_its_slot(
    make_settings: Callable, tmp_path: Path
) -> None:
    for pack_format in ("raw", "jpeg"):
        source = Pictures(packed=True, pack_format=pack_format)
        pack = packed(source, [make_settings(*GEOMETRY)], tmp_path).pack
        places = np.array([3, 0, 3, 4])
        slots = pack.pixels(places)
        assert slots.shape == (4, *pack.slot, 3)
        for slot, place in zip(slots, places, strict=True):
            width, height = pack.sizes[place]
            assert np.array_equal(slot[:height, :width], pack.image(place))
            assert not slot[height:].any()
            assert not slot[:, width:].any()


def test_jpeg_crops_are_close_and_small(make_settings: Callable, tmp_path: Path) -> None:
    settings = make_settings(*GEOMETRY)
    source = Pictures(SIZES[:4], packed=True, pack_format="jpeg")
    own = packed(source, [settings], tmp_path)
    raw = packed(Pictures(SIZES[:4], packed=True), [settings], tmp_path)
    assert own.pack.folder != raw.pack.folder
    assert own.pack.num_bytes < 0.5 * raw.pack.num_bytes
    for index in range(4):
        error = own[index].image.astype(float) - raw[index].image
        assert 0 < np.abs(error @ [0.299, 0.587, 0.114]).mean() < 3  # random colours suffer more
        with reusing_memory():
            assert np.array_equal(own[index].image, own.pack.image(index))


def test_auto_takes_what_is_there_and_builds_nothing(
    make_settings: Callable, tmp_path: Path
) -> None:
    reach = reach_of([make_settings(*GEOMETRY)], 48)
    source = Pictures(packed="auto")
    assert with_pack(source, reach, tmp_path) is source
    with_pack(Pictures(packed=True, pack_format="jpeg"), reach, tmp_path)
    assert with_pack(source, reach, tmp_path) is source  # JPEG would change the views
    with_pack(Pictures(packed=True), reach, tmp_path)
    assert isinstance(with_pack(source, reach, tmp_path), Packed)
    never = Pictures(packed=False)
    assert with_pack(never, reach, tmp_path) is never
    with pytest.raises(ValueError, match=r"pack_format=jpeg with dataset\.packed=auto: JPEG"):
        Pictures(pack_format="jpeg")


def test_what_cannot_be_packed_is_read_and_says_so(
    make_settings: Callable, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reach = reach_of([make_settings()], 48)
    source = Pictures(packed=True, fingerprint=None)
    assert with_pack(source, reach, tmp_path) is source
    assert "dataset.packed=true: pictures has no fingerprint" in caplog.text
    again = Recropped(Pictures(), np.zeros((5, 21, 2)))
    assert with_pack(again, reach, tmp_path) is again
    assert not list(tmp_path.iterdir())


def test_a_changed_source_or_setting_gets_another_address(
    make_settings: Callable, tmp_path: Path
) -> None:
    settings, wider = make_settings(*GEOMETRY), make_settings(*GEOMETRY, margin_range=(0.9, 1.6))
    plain = packed(Pictures(packed=True), [settings], tmp_path).pack.folder
    others = [
        packed(Pictures(packed=True, seed=1), [settings], tmp_path),
        packed(Pictures(packed=True, max_samples=3, fingerprint="three"), [settings], tmp_path),
        packed(Pictures(packed=True, crop_by="joints"), [settings], tmp_path),
        packed(Pictures(packed=True, image_size=40), [settings], tmp_path),
        packed(Pictures(packed=True), [wider], tmp_path),
    ]
    folders = {plain, *(own.pack.folder for own in others)}
    assert len(folders) == 6
    jittered = make_settings(*GEOMETRY, "colour_jitter")
    assert packed(Pictures(packed=True), [jittered], tmp_path).pack.folder == plain


def test_a_fingerprint_that_hides_a_change_is_found(
    make_settings: Callable, tmp_path: Path
) -> None:
    reach = reach_of([make_settings()], 48)
    with_pack(Pictures(packed=True), reach, tmp_path)
    moved = Pictures(packed=True)
    moved.samples[4] = moved.samples[4]._replace(box=moved.samples[4].box / 2)
    with pytest.raises(ValueError, match=r"hand 4 has another box .*handpose pack --delete"):
        with_pack(moved, reach, tmp_path)
