"""Images while training: which, of what, how often, and that nothing else changes."""

import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning.trainer.states import TrainerFn
from tiny_backbone import TinyBackbone

from handpose import compose_config
from handpose.data.targets_dataset import TargetDataset
from handpose.data.views_dataset import ViewDataset
from handpose.loggers.base import LoggedImage, RunLogger
from handpose.loggers.overlays import PREDICTION, TRUTH
from handpose.loggers.sample_images import (
    SampleImages,
    prediction_images,
    undisturbed_random_numbers,
    view_images,
)
from handpose.pipeline import parts
from handpose.training.finetuner import Finetuner

SIDE, COUNT = 64, 9


class Kept(RunLogger):
    """Keeps the images that it is given."""

    name = "kept"

    def __init__(self, every: int | None) -> None:
        super().__init__()
        self.images_every_n_epochs = every
        self.calls: list[tuple[str, list[LoggedImage], int]] = []

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """It is told none."""

    def log_images(self, name: str, images: Any, *, epoch: int) -> None:
        self.calls.append((name, list(images), epoch))


@pytest.fixture(scope="module")
def cfg(tmp_path_factory: pytest.TempPathFactory) -> Any:
    cache = tmp_path_factory.mktemp("cache")
    sizes = (f"dataset.image_size={SIDE}", f"dataset.num_val={COUNT}")
    return compose_config("objective=hybrid", f"paths.cache={cache}", *sizes)


@pytest.fixture(scope="module")
def source(cfg: Any) -> Any:
    return parts.build_dataset(cfg.finetune.dataset, "val", parts.build_caps(cfg))


@pytest.fixture
def stage(cfg: Any) -> Finetuner:
    torch.manual_seed(0)
    optimizer = parts.build_optimizer(cfg.finetune.optimizer)
    model = parts.build_model(cfg, TinyBackbone())
    return Finetuner(model=model, optimizer=optimizer, warmup_epochs=0).eval()


@pytest.fixture
def targets(cfg: Any, source: Any) -> TargetDataset:
    return TargetDataset(source, parts.build_augmentation(cfg.evaluate.augment), seed=5)


@pytest.fixture
def views(cfg: Any, source: Any) -> ViewDataset:
    own = {name: parts.build_augmentation(p.augment) for name, p in cfg.objective.parts.items()}
    return ViewDataset(source, own, seed=5)


def trainer(*loggers: RunLogger, epoch: int, rank: int = 0, fn: Any = TrainerFn.FITTING) -> Any:
    return SimpleNamespace(
        loggers=loggers,
        current_epoch=epoch,
        max_epochs=5,
        is_global_zero=rank == 0,
        state=SimpleNamespace(fn=fn),
    )


def test_each_logger_has_its_interval_and_the_last_epoch(
    targets: TargetDataset, stage: Finetuner
) -> None:
    often, seldom, never = Kept(2), Kept(4), Kept(None)
    callback = SampleImages(targets)
    for epoch in range(5):
        callback.on_validation_epoch_end(trainer(often, seldom, never, epoch=epoch), stage)
    assert [epoch for *_, epoch in often.calls] == [1, 3, 4]
    assert [epoch for *_, epoch in seldom.calls] == [3, 4]
    assert never.calls == []
    assert {name for name, *_ in often.calls} == {"finetune/predictions"}
    assert all(len(images) == 8 for _, images, _ in often.calls)


def test_only_the_first_rank_logs_and_only_in_training(
    targets: TargetDataset, stage: Finetuner
) -> None:
    kept, callback = Kept(1), SampleImages(targets)
    callback.on_validation_epoch_end(trainer(kept, epoch=0, rank=1), stage)
    callback.on_validation_epoch_end(trainer(kept, epoch=0, fn=TrainerFn.VALIDATING), stage)
    assert kept.calls == []


def test_random_numbers_and_buffers_stay(targets: TargetDataset, stage: Finetuner) -> None:
    before = {name: value.clone() for name, value in stage.state_dict().items()}
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    SampleImages(targets).on_validation_epoch_end(trainer(Kept(1), epoch=0), stage)
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    assert states[:2] == after[:2]
    assert torch.equal(states[2], after[2])
    assert all(torch.equal(before[name], value) for name, value in stage.state_dict().items())
    assert all(parameter.grad is None for parameter in stage.parameters())
    with pytest.raises(AssertionError, match="BatchNorm"):
        SampleImages(targets).on_validation_epoch_end(trainer(Kept(1), epoch=0), stage.train())


def test_numbers_that_are_drawn_within_are_put_back() -> None:
    def drawn() -> list[float]:
        return [random.random(), float(np.random.rand()), float(torch.rand(()))]  # noqa: NPY002

    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(3)
    expected = drawn()
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(3)
    with undisturbed_random_numbers():
        drawn()
    assert drawn() == expected


def test_joints_lie_where_the_crop_has_them(targets: TargetDataset, stage: Finetuner) -> None:
    batch = torch.utils.data.default_collate([targets[0, 0]])
    hidden = batch.uv_valid.clone()
    hidden[0, 3] = False
    (image,) = prediction_images(stage, batch._replace(uv_valid=hidden))
    factor = len(image.image) // SIDE
    assert image.image.shape == (256, 256, 3)
    expected = (batch.uvz[0, :, :2].numpy() + 0.5) * factor - 0.5
    known = np.arange(21) != 3
    np.testing.assert_allclose(image.skeletons[TRUTH][known], expected[known], atol=1e-3)
    assert np.isnan(image.skeletons[TRUTH][3]).all()
    predicted = (stage(batch).uvz[0, :, :2].detach().numpy() + 0.5) * factor - 0.5
    np.testing.assert_allclose(image.skeletons[PREDICTION], predicted, atol=1e-2)


def test_views_of_each_part_are_drawn_anew_each_time(views: ViewDataset, stage: Finetuner) -> None:
    kept, callback = Kept(1), SampleImages(views)
    for epoch in (0, 0, 1):
        callback.on_validation_epoch_end(trainer(kept, epoch=epoch), stage)
    names = [name.partition("/")[2] for name, *_ in kept.calls]
    assert names[:2] == ["views_contrastive", "views_relative"]
    first, again, later = (images[0].image for _, images, _ in kept.calls[::2])
    assert np.array_equal(first, again)
    assert not np.array_equal(first, later)
    assert first.shape == (2 * SIDE, 2 * (3 * SIDE + 4), 3)


def test_a_mined_pair_has_no_moved_view(views: ViewDataset) -> None:
    batch = views.__getitems__([(0, 0)])
    own = {name: value for name, value in batch.items() if name == "relative"}
    one = torch.utils.data.default_collate
    pairs = {name: one([views[0, 0][name]]) for name in own}
    mined = {n: v._replace(index=torch.tensor([[0, 1]])) for n, v in pairs.items()}
    (plain,), (other,) = view_images(pairs)["views"], view_images(mined)["views"]
    assert plain.image.shape[1] > other.image.shape[1]
    assert "two images of similar poses" in other.caption
