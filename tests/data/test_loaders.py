"""Batches: equal for any number of workers, different in every epoch, plain in validation."""

from collections.abc import Callable

import pytest
import torch

from handpose.data.loaders import TargetDataset, ViewDataset, build_loader
from handpose.data.synthetic import Synthetic


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Synthetic:
    return Synthetic(
        root=str(tmp_path_factory.mktemp("renders")),
        split="train",
        num_train=10,
        num_val=1,
        num_test=1,
        render_size=48,
        orientation="upright",
        seed=0,
        image_size=32,
    )


def _epoch(dataset: object, epoch: int, *, num_workers: int = 0, training: bool = True) -> list:
    loader = build_loader(dataset, batch_size=4, training=training, num_workers=num_workers, seed=1)
    loader.sampler.set_epoch(epoch)
    return list(loader)


def test_same_batches_with_0_and_2_workers(source: Synthetic, make_settings: Callable) -> None:
    settings = make_settings("rotate", "crop", "gaussian_noise", "cut_out", "colour_jitter")
    views = ViewDataset(source, {"part": settings}, seed=1)
    for own, workers in zip(_epoch(views, 3), _epoch(views, 3, num_workers=2), strict=True):
        assert torch.equal(own["part"].image, workers["part"].image)
        assert torch.equal(own["part"].index, workers["part"].index)
        assert own["part"].image.dtype == torch.uint8


def test_two_epochs_augment_one_sample_differently(
    source: Synthetic, make_settings: Callable
) -> None:
    dataset = TargetDataset(source, make_settings("rotate"), reference_bone="index", seed=1)
    first, second = dataset[0, 7], dataset[1, 7]
    assert first.index == second.index
    assert not (first.affine == second.affine).all()
    assert not (first.image == second.image).all()


def test_validation_is_whole_and_in_order(source: Synthetic, make_settings: Callable) -> None:
    dataset = TargetDataset(source, make_settings(), reference_bone="index", seed=1)
    batches = _epoch(dataset, 5, training=False)
    assert torch.cat([batch.index for batch in batches]).tolist() == list(range(10))
    assert len(_epoch(dataset, 5)) == 2  # training drops the broken batch


def test_few_samples_make_a_small_batch_and_say_so(
    source: Synthetic, make_settings: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = TargetDataset(source, make_settings(), reference_bone="index", seed=1)
    loader = build_loader(dataset, batch_size=64, training=True, num_workers=0, seed=1)
    assert len(loader) == 1
    assert "10 samples for a batch of 64" in caplog.text
