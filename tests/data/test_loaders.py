"""Batches: equal for any number of workers, different in every epoch, plain in validation."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from handpose.augment.views import make_views
from handpose.data.loaders import build_loader
from handpose.data.positives.mining import Mined, mine
from handpose.data.sampling import sample_rng
from handpose.data.sources.synthetic import Synthetic
from handpose.data.targets_dataset import TargetDataset
from handpose.data.views_dataset import ViewDataset
from handpose.records import Views


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


def _epoch_on(platform: str, dataset: object) -> list:
    """With a worker, in a process of joblib's: spawned on macOS, where it gets the set pickled."""
    from handpose.data import workers

    workers.sys = SimpleNamespace(platform=platform)  # of this process
    return _epoch(dataset, 3, num_workers=1)


def test_workers_start_in_a_process_of_joblib(source: Synthetic, make_settings: Callable) -> None:
    joblib = pytest.importorskip("joblib")
    views = ViewDataset(source, {"part": make_settings("rotate")}, seed=1)
    jobs = [joblib.delayed(_epoch_on)(platform, views) for platform in ("linux", "darwin")]
    for found in joblib.Parallel(n_jobs=2)(jobs):
        for own, other in zip(_epoch(views, 3), found, strict=True):
            assert torch.equal(own["part"].image, other["part"].image)


def test_two_epochs_augment_one_sample_differently(
    source: Synthetic, make_settings: Callable
) -> None:
    dataset = TargetDataset(source, make_settings("rotate"), reference_bone="index", seed=1)
    first, second = dataset[0, 7], dataset[1, 7]
    assert first.index == second.index
    assert not (first.affine == second.affine).all()
    assert not (first.image == second.image).all()


def test_held_out_pairs_are_mixed_and_the_same_in_every_epoch(
    source: Synthetic, make_settings: Callable
) -> None:
    views = ViewDataset(source, {"part": make_settings("rotate")}, seed=1)
    orders = [
        torch.cat([batch["part"].index[:, 0] for batch in _epoch(views, epoch, training=False)])
        for epoch in (0, 5)
    ]
    assert torch.equal(*orders)
    assert sorted(orders[0].tolist()) == list(range(10)) != orders[0].tolist()


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
    assert "10 training samples for a batch of 64" in caplog.text
    caplog.clear()
    build_loader(dataset, batch_size=64, training=False, num_workers=0, seed=1)
    assert caplog.text == ""  # nothing else comes of it


def _mined(source: Synthetic) -> Mined:
    settings = dict(joints="given", num_dims=5, neighbours=3, exclude="recording", weighted=True)
    return mine(source, **settings)


def _equal(one: Views, other: Views) -> bool:
    """In every column."""
    columns = ((*views.params, *views[:1], *views[2:]) for views in (one, other))
    return all(torch.equal(a, b) for a, b in zip(*columns, strict=True))


def test_positives_of_a_sample_itself_are_its_own_views_and_read_no_label(
    source: Synthetic, make_settings: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings("rotate", "crop", "gaussian_noise", "cut_out", "colour_jitter")
    views = ViewDataset(source, {"part": settings}, seed=1)
    before = default_collate([views[2, index]["part"] for index in range(10)])
    alone = [
        make_views(
            source[index],
            settings,
            rng=sample_rng(1, 2, index),
            size=32,
            num_views=2,
            identity=index,
            index=index,
        )
        for index in range(10)
    ]
    assert _equal(before, default_collate(alone))
    assert before.pose.shape == (10, 2, 0)
    assert torch.equal(before.identity, torch.arange(10)[:, None].repeat(1, 2))
    original = Synthetic.__getitem__
    nan = np.full((21, 3), np.nan, dtype=np.float32)
    monkeypatch.setattr(
        Synthetic,
        "__getitem__",
        lambda self, i: original(self, i)._replace(uv=nan[:, :2], xyz=nan),
    )
    assert np.isnan(source[0].uv).all()
    assert _equal(before, default_collate([views[2, index]["part"] for index in range(10)]))


def test_mined_pairs_are_views_of_two_samples_in_the_mined_parts_alone(
    source: Synthetic, make_settings: Callable
) -> None:
    settings, mined = make_settings("rotate", "crop"), _mined(source)
    parts = {"mined": settings, "own": settings}
    views = ViewDataset(source, parts, seed=1, mined=mined, mined_parts={"mined"})
    single = ViewDataset(source, {"part": make_settings()}, seed=1)
    drawn = set()
    for time in range(5):
        for index in range(10):
            pair, own = (views[time, index][part] for part in ("mined", "own"))
            partner = int(pair.index[1])
            drawn.add(partner)
            assert pair.index[0] == index
            assert partner in mined.partners[index]
            assert partner != index
            assert pair.identity.tolist() == [index, partner]
            assert np.array_equal(pair.pose, mined.pose[[index, partner]])
            assert pair.pose_valid.all()
            for view, place in enumerate((index, partner)):
                plain = single[0, place]["part"].params.plain[0]
                assert np.array_equal(pair.params.plain[view], plain)
            assert own.index.tolist() == [index, index]
            assert own.pose.shape == (2, 0)
            assert np.array_equal(own.params.plain[0], own.params.plain[1])
    assert len(drawn) > 5


def test_the_second_view_shows_the_partner(source: Synthetic, make_settings: Callable) -> None:
    mined, settings = _mined(source), {"part": make_settings()}
    pairs = ViewDataset(source, settings, seed=1, mined=mined, mined_parts={"part"})
    plain = ViewDataset(source, settings, seed=1)
    for index in range(10):
        pair = pairs[0, index]["part"]
        assert np.array_equal(pair.image[0], plain[0, index]["part"].image[0])
        assert np.array_equal(pair.image[1], plain[0, int(pair.index[1])]["part"].image[0])
        assert not np.array_equal(pair.image[0], pair.image[1])


def test_mined_batches_are_the_same_with_0_and_2_workers(
    source: Synthetic, make_settings: Callable
) -> None:
    views = ViewDataset(
        source,
        {"part": make_settings("rotate")},
        seed=1,
        mined=_mined(source),
        mined_parts={"part"},
    )
    own, workers = _epoch(views, 3), _epoch(views, 3, num_workers=2)
    assert all(_equal(a["part"], b["part"]) for a, b in zip(own, workers, strict=True))
    again, other = _epoch(views, 3), _epoch(views, 4)
    assert all(_equal(a["part"], b["part"]) for a, b in zip(own, again, strict=True))
    partners = [{(int(i), int(j)) for b in e for i, j in b["part"].index} for e in (own, other)]
    assert partners[0] != partners[1]
