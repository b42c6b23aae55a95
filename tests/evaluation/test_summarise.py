"""The numbers of results.json: their names, reasons, baselines and passes."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from perfect import evaluate, perfect

from handpose.evaluation.evaluation import swap_side
from handpose.evaluation.summarise import COUNTS, summarise, summarise_passes, summary_names
from handpose.records import Prediction, Target


def test_the_truth_has_no_error_and_shuffled_truth_has(targets: tuple[list, Target]) -> None:
    results = summarise(evaluate(targets[1]))
    for name in (
        "epe2d_px",
        "epe3d_root_relative_bone_granted_mm",
        "pa_epe_mm",
        "root_depth_error_mm",
    ):
        assert results[name] == pytest.approx(0, abs=1e-2)
    assert results["auc_pa_50mm"] == pytest.approx(1, abs=0.01)  # rounding is above threshold 0
    assert results["shuffled_pa_epe_mm"] > 20
    assert results["mean_pose_pa_epe_mm"] > 20
    assert results["n_test"] == 6


def test_the_mean_pose_is_of_the_labels_of_the_run_beside_that_of_all(
    targets: tuple[list, Target],
) -> None:
    evaluation = evaluate(targets[1])
    results = summarise(evaluation)
    for name, pose in (
        ("mean_pose_", evaluation.mean_pose),
        ("mean_pose_all_labels_", evaluation.mean_pose_of_all),
    ):
        constant = swap_side(pose.expand(6, 21, 3), evaluation.is_left)
        alone = summarise(evaluation._replace(xyz=constant))
        assert results[f"{name}pa_epe_mm"] == alone["pa_epe_mm"]
        assert results[f"{name}auc_pa_50mm"] == alone["auc_pa_50mm"]
    assert results["mean_pose_pa_epe_mm"] != results["mean_pose_all_labels_pa_epe_mm"]
    nothing = summarise(evaluation._replace(mean_pose=torch.empty(0, 3)))
    assert nothing["mean_pose_pa_epe_mm"] is None
    assert "complete" in nothing["mean_pose_pa_epe_mm_reason"]
    assert nothing["mean_pose_all_labels_pa_epe_mm"] == results["mean_pose_all_labels_pa_epe_mm"]


def test_a_known_offset_is_measured_in_millimetres(targets: tuple[list, Target]) -> None:
    _, target = targets
    prediction = perfect(target)
    moved = prediction.xyz.clone()
    moved[:, 8, 0] += 0.01 / target.bone
    results = summarise(evaluate(target, prediction._replace(xyz=moved)))
    assert results["epe3d_root_relative_bone_granted_mm"] == pytest.approx(10 / 21, rel=1e-3)


def test_the_refined_root_depth_stands_beside_the_solved_one(targets: tuple[list, Target]) -> None:
    _, target = targets
    truth = perfect(target)
    by_20_mm = truth._replace(root_depth=truth.root_depth + 0.02 / target.bone)
    solved = summarise(evaluate(target, by_20_mm._replace(solved_root_depth=by_20_mm.root_depth)))
    for name in ("root_depth_error", "root_depth_error_solved"):
        assert solved[f"{name}_mm"] == pytest.approx(20, rel=1e-3)
        assert solved[f"{name}_median_mm"] == pytest.approx(20, rel=1e-3)
    assert solved["root_depth_error_refined_mm"] is None
    assert "head.root_depth=solve" in solved["root_depth_error_refined_mm_reason"]
    yes = torch.ones(6, dtype=torch.bool)
    refined = by_20_mm._replace(
        solved_root_depth=truth.root_depth - 0.05 / target.bone, is_refined=yes
    )
    results = summarise(evaluate(target, refined))
    assert results["root_depth_error_mm"] == results["root_depth_error_refined_mm"]
    assert results["root_depth_error_refined_median_mm"] == pytest.approx(20, rel=1e-3)
    assert results["root_depth_error_solved_mm"] == pytest.approx(50, rel=1e-3)
    target.z_valid[1:, 0] = False
    one = refined._replace(root_depth=torch.cat((refined.root_depth[:1], 99 * torch.ones(5))))
    assert summarise(evaluate(target, one))["root_depth_error_refined_mm"] == pytest.approx(20)
    target.z_valid[:] = False
    nothing = summarise(evaluate(target, refined))
    assert "labelled" in nothing["root_depth_error_refined_mm_reason"]


def test_missing_labels_give_null_with_a_reason_never_nan(targets: tuple[list, Target]) -> None:
    _, target = targets
    nothing = torch.zeros(6, 21, dtype=torch.bool)
    target = target._replace(xyz_valid=nothing, z_valid=nothing, K_valid=nothing[:, 0])
    results = summarise(evaluate(target))
    assert results["pa_epe_mm"] is None
    assert "three joints labelled in 3D" in results["pa_epe_mm_reason"]
    assert results["epe2d_px"] == pytest.approx(0, abs=1e-2)
    assert not any(isinstance(v, float) and v != v for v in results.values())


def test_the_list_of_metrics_is_complete(targets: tuple[list, Target]) -> None:
    results = summarise(evaluate(targets[1]))
    assert {n for n in results if not n.endswith(("_reason", *COUNTS))} == set(summary_names())


def _zero(target: Target) -> Prediction:
    return Prediction(*(torch.zeros_like(field) for field in perfect(target)))


def _only_joint_7(target: Target) -> Target:
    valid = torch.zeros(6, 21, dtype=torch.bool)
    valid[:, 7] = True
    return target._replace(uv_valid=valid, xyz_valid=valid, z_valid=valid)


@pytest.mark.parametrize("K_valid", [True, False])
@pytest.mark.parametrize("limit", [lambda target: target, _only_joint_7])
def test_every_metric_is_defined_for_an_all_zero_prediction(
    targets: tuple[list, Target], limit: Callable, K_valid: bool
) -> None:
    target = limit(targets[1])._replace(K_valid=torch.full((6,), K_valid))
    results = summarise(evaluate(target, _zero(target)))
    for name in summary_names():
        value = results[name]
        assert value is None or np.isfinite(value), name
        assert (value is None) == (f"{name}_reason" in results), name
    everything = limit(target).z_valid.all()
    null = {name for name in summary_names() if results[name] is None and everything}
    null -= {name for name in summary_names() if "refined" in name}
    camera_free = {name for name in summary_names() if "weak" in name}
    assert null == (set() if not everything else camera_free if K_valid else null - camera_free)


def test_two_passes_stand_side_by_side(targets: tuple[list, Target]) -> None:
    _, target = targets
    first = evaluate(target, _zero(target))
    moved = first.affine.clone()
    moved[1:] += 1.0
    results = summarise_passes([first, evaluate(target)._replace(affine=moved)])
    assert results["pa_epe_mm"] == summarise(first)["pa_epe_mm"] > 1
    assert results["second_pass_pa_epe_mm"] == pytest.approx(0, abs=1e-2)
    assert results["n_second_pass_kept_first_crop"] == 1
    assert not [name for name in results if "second_pass_mean_pose" in name or "pass_n_" in name]
    assert summarise_passes([first]) == summarise(first)
