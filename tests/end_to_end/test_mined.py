"""Positives from other images, through the real train.py."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from handpose.config.catalogue import CONF
from handpose.config.schema import register
from handpose.pipeline import parts
from handpose.pipeline.stages.splits import build_splits

MINED = ("pretrain.positives=mined", "head=none", "trainer.caps.samples=16", "report=false")
WARNING = "uses labels: it"


@pytest.mark.parametrize("objective", ["contrastive", "equivariant", "hybrid"])
def test_mined_positives_train(
    objective: str, train: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = train(f"objective={objective}", *MINED)
    printed = capsys.readouterr().out
    assert WARNING in printed
    assert "16 of 16 samples have partners" in printed
    results = json.loads((run_dir / "results.json").read_text())
    assert 0 <= results["pretext_top1"] <= 1
    assert results["pretext_top1_chance"] >= 1 / 8  # trainer=debug: batches of 8
    state = torch.load(run_dir / "backbone.pt", weights_only=True)["state_dict"]
    assert all(value.isfinite().all() for value in state.values())


@pytest.fixture
def composed(cache: Path) -> Callable[..., DictConfig]:
    """The configuration of a debug run on the synthetic hands."""

    def make(*overrides: str) -> DictConfig:
        register()
        tiny = ("trainer=debug", "dataset.image_size=32", f"paths.cache={cache}")
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return compose("config", overrides=[*tiny, *MINED, *overrides])

    return make


def test_predictions_are_not_labels(
    composed: Callable, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for split in ("train", "val"):
        uv = np.random.default_rng(0).uniform(0, 96, (16, 21, 2))
        np.save(tmp_path / f"{split}.npy", uv)
    partners = {}
    for joints, count in (("given", 1), (tmp_path, 0)):
        caplog.clear()
        cfg = composed("objective=contrastive", f"pretrain.mining.joints={joints}")
        views = build_splits(cfg, tmp_path).views
        assert caplog.text.count(WARNING) == count
        partners[joints] = [int(views["train"][0, i]["contrastive"].index[1]) for i in range(16)]
    assert partners["given"] != partners[tmp_path]


@pytest.mark.parametrize(("cut_out", "count"), [("true", 1), ("false", 0)])
def test_cutting_out_about_joints_is_said_to_need_labels(
    cut_out: str, count: int, composed: Callable, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = ("pretrain.positives=self", "augment.cut_out_at=joint", f"augment.cut_out={cut_out}")
    build_splits(composed("objective=contrastive", *own), tmp_path)
    assert caplog.text.count(WARNING) == count


def test_only_the_contrasted_part_of_a_hybrid_is_mined(composed: Callable, tmp_path: Path) -> None:
    views = build_splits(composed("objective=hybrid"), tmp_path).views
    for split in ("train", "val"):
        pair = views[split][0, 3]
        assert pair["contrastive"].index[0] != pair["contrastive"].index[1]
        assert pair["contrastive"].pose.shape == (2, 14)
        assert pair["relative"].index.tolist() == [3, 3]
    unweighted = composed("objective=contrastive", "pretrain.mining.weighted=false")
    assert build_splits(unweighted, tmp_path).views["val"][0, 3]["contrastive"].pose.shape == (2, 0)


def test_an_objective_that_takes_none_is_refused_by_its_name(composed: Callable) -> None:
    with pytest.raises(ValueError, match="relative needs two views of one image"):
        parts.mined_parts(composed("objective=relative"))
