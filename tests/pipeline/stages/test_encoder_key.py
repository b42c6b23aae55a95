"""Which settings decide an encoder, and which do not."""

import json
from functools import cache
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from handpose.config.catalogue import CONF
from handpose.config.schema import register
from handpose.pipeline.stages.encoder_key import describe

DATA = {"train": "renders-1", "val": "renders-2"}


@cache
def composed(*overrides: str) -> DictConfig:
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=["objective=contrastive", *overrides])


def key(*overrides: str, data: dict[str, str | None] = DATA) -> str:
    return json.dumps(describe(composed(*overrides), data), sort_keys=True)


@pytest.mark.parametrize(
    "override",
    [
        "head=regression",
        "finetune.label_fraction=0.1",
        "dataset@finetune.dataset=mpii",
        "evaluate.split=val",
        "reference_bone=middle",
        "paths.cache=/elsewhere",
        "trainer.num_workers=3",
        "trainer.keep_checkpoints=false",
        "pretrain.share=true",
        "pretrain.lease_seconds=5",
    ],
)
def test_what_comes_after_pre_training_decides_nothing(override: str) -> None:
    assert key(override) == key()


@pytest.mark.parametrize(
    "override",
    [
        "seed=15",
        "backbone=resnet34",
        "objective.temperature=0.1",
        "pretrain.max_epochs=9",
        "optimizer.lr=0.1",
        "augment.rotate=false",
        "dataset.image_size=96",
        "dataset.crop_by=joints",
        "trainer.precision=bf16-mixed",
        "trainer=debug",
        "pretrain.positives=mined",
        "pretrain.probe.samples=10",
        "evaluate.batch_size=8",
    ],
)
def test_what_decides_the_weights_or_what_is_measured_on_them(override: str) -> None:
    assert key(override) != key()


def test_what_the_probe_sees_counts_only_with_a_probe() -> None:
    labels = "finetune.label_fraction=0.1"
    assert key("pretrain.probe.samples=10", labels) != key("pretrain.probe.samples=10")


def test_other_data_is_another_encoder() -> None:
    assert key(data=DATA | {"val": "renders-3"}) != key()


def test_weights_count_by_what_is_in_them(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    file.write_bytes(b"one")
    before = key(f"backbone.weights={file}")
    assert key(f"backbone.weights={file}") == before
    file.write_bytes(b"two")
    assert key(f"backbone.weights={file}") != before
