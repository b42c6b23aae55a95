"""From predictions in the model's frame to numbers in the source's."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from handpose.augment.views import make_target
from handpose.evaluate import METRICS, Evaluation, collect, summarise
from handpose.records import Prediction, Target


@pytest.fixture
def targets(make_sample: Callable, make_settings: Callable) -> tuple[list, Target]:
    samples = [
        make_sample(np.zeros((120, 160, 3), np.uint8), side=side, seed=seed)
        for seed, side in enumerate(["right", "left", "left", "right", "right", "left"])
    ]
    crops = [
        make_target(
            sample,
            make_settings("rotate", "crop"),
            rng=np.random.default_rng(i),
            size=64,
            reference_bone="index",
            index=i,
        )
        for i, sample in enumerate(samples)
    ]
    return samples, default_collate(crops)


def _truth(target: Target) -> Prediction:
    bone = target.bone[:, None, None]
    return Prediction(
        target.uvz, target.xyz / bone, target.xyz[:, 0, 2] / target.bone, torch.empty(6, 0)
    )


def _evaluate(target: Target, prediction: Prediction | None = None) -> Evaluation:
    mean_pose = torch.randn(21, 3, generator=torch.Generator().manual_seed(0)) * 0.05
    return collect(prediction or _truth(target), target, mean_pose)


def test_everything_is_undone_for_both_sides(targets: tuple[list, Target]) -> None:
    samples, target = targets
    evaluation = _evaluate(target)
    for row, sample in enumerate(samples):
        assert np.abs(evaluation.uv[row].numpy() - sample.uv).max() < 1e-3
        assert np.abs(evaluation.camera_xyz[row].numpy() - 1000 * sample.xyz).max() < 1e-2


def test_the_truth_has_no_error_and_shuffled_truth_has(targets: tuple[list, Target]) -> None:
    results = summarise(_evaluate(targets[1]))
    for name in ("epe2d_px", "epe3d_root_relative_mm", "pa_epe_mm", "root_depth_error_mm"):
        assert results[name] == pytest.approx(0, abs=1e-2)
    assert results["auc_pa_50mm"] == pytest.approx(1, abs=0.01)  # rounding is above threshold 0
    assert results["shuffled_pa_epe_mm"] > 20
    assert results["mean_pose_pa_epe_mm"] > 20
    assert results["n_test"] == 6


def test_a_known_offset_is_measured_in_millimetres(targets: tuple[list, Target]) -> None:
    _, target = targets
    prediction = _truth(target)
    moved = prediction.xyz.clone()
    moved[:, 8, 0] += 0.01 / target.bone
    results = summarise(_evaluate(target, prediction._replace(xyz=moved)))
    assert results["epe3d_root_relative_mm"] == pytest.approx(10 / 21, rel=1e-3)


def test_missing_labels_give_null_with_a_reason_never_nan(targets: tuple[list, Target]) -> None:
    _, target = targets
    target = target._replace(
        z_valid=torch.zeros(6, 21, dtype=torch.bool), K_valid=torch.zeros(6, dtype=torch.bool)
    )
    results = summarise(_evaluate(target))
    assert results["pa_epe_mm"] is None
    assert "labels" in results["pa_epe_mm_reason"]
    assert results["epe2d_px"] == pytest.approx(0, abs=1e-2)
    assert not any(isinstance(v, float) and v != v for v in results.values())


def test_the_list_of_metrics_is_complete(targets: tuple[list, Target]) -> None:
    assert set(summarise(_evaluate(targets[1]))) == set(METRICS)
