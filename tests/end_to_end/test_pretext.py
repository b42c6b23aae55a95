"""The objectives learn what they say, on held-out pairs. Minutes each."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
WHOLE = ("trainer=cpu", "dataset.image_size=64")


def _results(run_dir: Path) -> dict:
    return json.loads((run_dir / "results.json").read_text())


def test_relative_pre_training_predicts_rotation_and_scale(train: Callable[..., Path]) -> None:
    results = _results(train(*WHOLE, "experiment=synthetic_relative", "backbone=resnet18_half"))
    rotation = results["pretext_rotation_error_deg"] / results["pretext_rotation_chance_deg"]
    log_scale = results["pretext_log_scale_error"] / results["pretext_log_scale_chance"]
    print(f"rotation {rotation:.3f} of chance, log scale {log_scale:.3f} of chance")
    assert rotation <= 0.25
    assert log_scale <= 0.40


def test_contrastive_pre_training_finds_the_partner(train: Callable[..., Path]) -> None:
    results = _results(train(*WHOLE, "experiment=synthetic_contrastive"))
    trained, untrained = results["pretext_top1"], results["pretext_untrained_top1"]
    print(f"partner first among 256: {trained:.3f} trained, {untrained:.3f} untrained")
    chance = results["pretext_top1_chance"]
    assert chance == pytest.approx(1 / 256)
    assert trained >= 3 * max(untrained, chance)
    assert trained >= 20 * chance


def test_predictive_pre_training_uses_the_map_and_does_not_collapse(
    train: Callable[..., Path],
) -> None:
    learned = ("objective=predictive", "head=none", "optimizer.lr=2e-3", "pretrain.max_epochs=3")
    results = _results(train(*WHOLE, *learned, "backbone=resnet18_half"))
    gain, error = results["pretext_map_gain"], results["pretext_prediction_error"]
    print(f"error {error:.3f}, {gain:.3f} more with the map of another pair")
    assert gain > 0.15
    assert results["pretext_map_gain_rotation"] > 0.1
    assert gain > results["pretext_untrained_map_gain"] + 0.1
    assert error < 0.85 * results["pretext_prediction_chance"]
    assert results["pretext_rank"] > 10
