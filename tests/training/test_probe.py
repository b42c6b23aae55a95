"""The probe and the health panel read a backbone, and leave the training as it would have been."""

import math
from collections.abc import Callable

import pytest
import pytorch_lightning as pl
import torch
from hands import hands as natural_hands
from hands import labelled
from torch import Tensor, nn
from torch.utils.data import DataLoader, default_collate

from handpose.augment.views import make_views
from handpose.backbones.base import Backbone
from handpose.evaluation.embedding_health import HEALTH
from handpose.geometry.align import procrustes
from handpose.objectives.base import Objective
from handpose.objectives.hybrid import Hybrid
from handpose.records import Features, Target, Views
from handpose.training.monitors import OnlineProbe
from handpose.training.pretrainer import Pretrainer

LEVELS = 800  # grey levels a metre, in the pixels that hold a pose


class Small(Backbone):
    """One convolution with BatchNorm and dropout: statistics and random numbers to disturb."""

    channels, strides, embedding_dim = (8,), (8,), 8

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Conv2d(3, 8, 8, 8), nn.BatchNorm2d(8), nn.Dropout(0.2))

    def forward(self, image: Tensor) -> tuple[Features, Tensor]:
        level = self.network(image)
        return (level,), level.mean((2, 3))


class Reader(Backbone):
    """Its embedding is the first 63 pixels, which hold the pose; or a constant."""

    channels, strides, embedding_dim = (1,), (1,), 63

    def __init__(self, *, blind: bool) -> None:
        super().__init__()
        self.network = nn.Linear(1, 1)
        self.blind = blind

    def forward(self, image: Tensor) -> tuple[Features, Tensor]:
        pixels = image.flatten(1)[:, :63]
        return (image,), torch.ones_like(pixels) if self.blind else pixels


class Spread(Objective):
    """Anything with a gradient."""

    def forward(self, features: Features, embedding: Tensor, views: Views) -> dict[str, Tensor]:
        return {"loss": (embedding[:, 0] - embedding[:, 1]).square().mean() - embedding.std()}


def hands(count: int, *, seed: int, size: int = 32) -> Target:
    """Labelled hands; their poses, aligned to some hand, lie in the first pixels of their crops."""
    target, (some, _) = labelled(count, seed=seed), natural_hands(1, seed=99)
    some = (some - some.mean(1, keepdim=True)).expand(count, -1, -1)
    pose = procrustes(target.xyz, some).apply(target.xyz)
    image = torch.zeros(count, 3 * size * size, dtype=torch.uint8)
    image[:, :63] = (LEVELS * pose.flatten(1) + 128).round().byte()
    return target._replace(image=image.reshape(count, 3, size, size))


@pytest.fixture(scope="module")
def probe() -> OnlineProbe:
    train, val = hands(120, seed=0), hands(40, seed=1)
    return OnlineProbe(train=train, val=val, every_n_epochs=2)


def test_a_pose_that_lies_in_the_embedding_is_read(probe: OnlineProbe) -> None:
    values = probe.measure(Reader(blind=False).eval())
    chance = values["probe_mean_pose_pa_epe_mm"]
    assert values["probe_pa_epe_mm"] < 0.15 * chance
    assert chance == pytest.approx(probe.mean_pose_pa_epe_mm)
    assert 5 < chance < 40
    assert probe.measure(Reader(blind=False).eval()) == values
    blind = probe.measure(Reader(blind=True).eval())["probe_pa_epe_mm"]
    assert blind == pytest.approx(chance, rel=1e-3)


def test_a_diverged_backbone_has_no_number(probe: OnlineProbe) -> None:
    diverged = Small().eval()
    diverged.network[0].bias.data[0] = torch.inf
    assert math.isnan(probe.measure(diverged)["probe_pa_epe_mm"])


def test_the_probe_looks_at_held_out_hands(probe: OnlineProbe) -> None:
    """Training hands with poses that are not theirs leave nothing to read on others."""
    shuffled = probe.train._replace(xyz=probe.train.xyz.roll(1, 0))
    wrong = OnlineProbe(train=shuffled, val=probe.val, every_n_epochs=1)
    values = wrong.measure(Reader(blind=False).eval())
    assert values["probe_pa_epe_mm"] > 0.9 * values["probe_mean_pose_pa_epe_mm"]


def test_it_is_measured_every_n_epochs_and_at_the_end(probe: OnlineProbe) -> None:
    due = [probe.is_due(epoch, last=epoch == 4) for epoch in range(5)]
    assert due == [False, True, False, True, True]


def test_a_backbone_in_training_is_not_touched(probe: OnlineProbe) -> None:
    with pytest.raises(AssertionError, match="BatchNorm"):
        probe.measure(Small().train())


@pytest.fixture
def pairs(make_settings: Callable, make_sample: Callable, rng: object) -> list[dict[str, Views]]:
    """Twelve pairs of turned views of 32 px."""
    image = rng.integers(0, 256, (40, 40, 3), dtype="uint8")
    sample, settings = make_sample(image), make_settings("rotate")
    return [
        {"spread": make_views(sample, settings, rng=rng, size=32, num_views=2, identity=i, index=i)}
        for i in range(12)
    ]


def _trained(pairs: list, settings: object, probe: OnlineProbe | None) -> tuple:
    """Three epochs of pre-training: weights, random numbers and the like; metrics; the trainer."""
    pl.seed_everything(3, verbose=False)
    backbone = Small()
    widths = {name: getattr(Small, name) for name in ("channels", "strides", "embedding_dim")}
    part = Spread(image_size=32, augmentation=settings, **widths)
    stage = Pretrainer(
        backbone=backbone,
        objective=Hybrid(parts={"spread": part}, weights={"spread": 1.0}),
        optimizer=lambda groups: torch.optim.AdamW(groups, lr=0.01),
        warmup_epochs=0.0,
        probe=probe,
    )
    loader = DataLoader(pairs, batch_size=4, collate_fn=default_collate)
    trainer = pl.Trainer(
        max_epochs=3,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(stage, loader, loader)
    state = backbone.state_dict() | {"random": torch.get_rng_state()}
    state |= {"step": trainer.optimizers[0].state_dict()["state"][0]["exp_avg_sq"]}
    return state, {name: float(value) for name, value in trainer.logged_metrics.items()}, trainer


def test_watching_changes_nothing_of_the_training(
    pairs: list, make_settings: Callable, probe: OnlineProbe
) -> None:
    settings = make_settings("rotate")
    watched, metrics, trainer = _trained(pairs, settings, probe)
    alone, other, _ = _trained(pairs, settings, None)
    assert all(torch.equal(value, watched[name]) for name, value in alone.items())
    assert not torch.equal(alone["network.0.weight"], Small().network[0].weight)

    health = {f"pretrain/val_{name}" for name in HEALTH}
    watches = {"pretrain/probe_pa_epe_mm", "pretrain/probe_mean_pose_pa_epe_mm"}
    assert health | watches <= metrics.keys()
    assert {*other} == {*metrics} - watches
    assert all(value == metrics[name] for name, value in other.items())
    backbone = trainer.lightning_module.backbone.eval()
    assert metrics["pretrain/probe_pa_epe_mm"] == pytest.approx(
        probe.measure(backbone)["probe_pa_epe_mm"], rel=1e-5
    )
