"""From predictions in the model's frame to numbers in the source's."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from handpose.augment.views import make_target
from handpose.data.base import joint_box
from handpose.evaluation.evaluation import Evaluation, MeanPoses, collect, swap_side
from handpose.evaluation.joint_errors import in_boxes
from handpose.evaluation.summarise import COUNTS, summarise, summarise_passes, summary_names
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
    depth, count = target.xyz[:, 0, 2] / target.bone, len(target.bone)
    return Prediction(
        uvz=target.uvz,
        xyz=target.xyz / target.bone[:, None, None],
        root_depth=depth,
        heatmap=torch.empty(count, 0),
        solved_root_depth=depth,
        is_refined=torch.zeros(count, dtype=torch.bool),
        own_uvz=target.uvz,
    )


def _evaluate(
    target: Target, prediction: Prediction | None = None, *, reference_bone: str = "index"
) -> Evaluation:
    poses = MeanPoses(*torch.randn(2, 21, 3, generator=torch.Generator().manual_seed(0)) * 0.05)
    return collect(prediction or _truth(target), target, poses, reference_bone=reference_bone)


def test_everything_is_undone_for_both_sides(targets: tuple[list, Target]) -> None:
    samples, target = targets
    evaluation = _evaluate(target)
    for row, sample in enumerate(samples):
        assert np.abs(evaluation.uv[row].numpy() - sample.uv).max() < 1e-3
        assert np.abs(evaluation.camera_xyz[row].numpy() - 1000 * sample.xyz).max() < 1e-2


def test_the_truth_has_no_error_and_shuffled_truth_has(targets: tuple[list, Target]) -> None:
    results = summarise(_evaluate(targets[1]))
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
    evaluation = _evaluate(targets[1])
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
    prediction = _truth(target)
    moved = prediction.xyz.clone()
    moved[:, 8, 0] += 0.01 / target.bone
    results = summarise(_evaluate(target, prediction._replace(xyz=moved)))
    assert results["epe3d_root_relative_bone_granted_mm"] == pytest.approx(10 / 21, rel=1e-3)


def test_the_refined_root_depth_stands_beside_the_solved_one(targets: tuple[list, Target]) -> None:
    _, target = targets
    truth = _truth(target)
    by_20_mm = truth._replace(root_depth=truth.root_depth + 0.02 / target.bone)
    solved = summarise(_evaluate(target, by_20_mm._replace(solved_root_depth=by_20_mm.root_depth)))
    for name in ("root_depth_error", "root_depth_error_solved"):
        assert solved[f"{name}_mm"] == pytest.approx(20, rel=1e-3)
        assert solved[f"{name}_median_mm"] == pytest.approx(20, rel=1e-3)
    assert solved["root_depth_error_refined_mm"] is None
    assert "head.root_depth=solve" in solved["root_depth_error_refined_mm_reason"]
    yes = torch.ones(6, dtype=torch.bool)
    refined = by_20_mm._replace(
        solved_root_depth=truth.root_depth - 0.05 / target.bone, is_refined=yes
    )
    results = summarise(_evaluate(target, refined))
    assert results["root_depth_error_mm"] == results["root_depth_error_refined_mm"]
    assert results["root_depth_error_refined_median_mm"] == pytest.approx(20, rel=1e-3)
    assert results["root_depth_error_solved_mm"] == pytest.approx(50, rel=1e-3)
    target.z_valid[1:, 0] = False
    one = refined._replace(root_depth=torch.cat((refined.root_depth[:1], 99 * torch.ones(5))))
    assert summarise(_evaluate(target, one))["root_depth_error_refined_mm"] == pytest.approx(20)
    target.z_valid[:] = False
    nothing = summarise(_evaluate(target, refined))
    assert "labelled" in nothing["root_depth_error_refined_mm_reason"]


def test_either_reference_bone_is_granted_at_its_own_length(
    make_sample: Callable, make_settings: Callable
) -> None:
    """The truth in lengths of the middle bone; read as if in those of the index bone it is not."""
    options = {"size": 64, "reference_bone": "middle"}
    samples = [make_sample(np.zeros((120, 160, 3), np.uint8), seed=seed) for seed in range(6)]
    crops = [
        make_target(sample, make_settings("crop"), rng=np.random.default_rng(i), index=i, **options)
        for i, sample in enumerate(samples)
    ]
    target = default_collate(crops)
    lengths = [np.linalg.norm(sample.xyz[9] - sample.xyz[0]) for sample in samples]
    assert target.bone.numpy() == pytest.approx(np.array(lengths), rel=1e-5)
    right = _evaluate(target, reference_bone="middle")
    results = summarise(right)
    for name in (
        "epe3d_root_relative_bone_granted_mm",
        "root_depth_error_mm",
        "epe3d_camera_scale_granted_mm",
    ):
        assert results[name] == pytest.approx(0, abs=1e-2)
    index = (target.xyz[:, 5] - target.xyz[:, 0]).norm(dim=-1)
    wrong = summarise(_evaluate(target._replace(bone=index), _truth(target)))
    assert wrong["epe3d_root_relative_bone_granted_mm"] > 5
    assert wrong["root_depth_error_mm"] > 50
    in_px = _evaluate(target, reference_bone="index").px_xyz
    assert (in_px - right.px_xyz).abs().max() > 1


def test_missing_labels_give_null_with_a_reason_never_nan(targets: tuple[list, Target]) -> None:
    _, target = targets
    nothing = torch.zeros(6, 21, dtype=torch.bool)
    target = target._replace(xyz_valid=nothing, z_valid=nothing, K_valid=nothing[:, 0])
    results = summarise(_evaluate(target))
    assert results["pa_epe_mm"] is None
    assert "three joints labelled in 3D" in results["pa_epe_mm_reason"]
    assert results["epe2d_px"] == pytest.approx(0, abs=1e-2)
    assert not any(isinstance(v, float) and v != v for v in results.values())


def test_the_list_of_metrics_is_complete(targets: tuple[list, Target]) -> None:
    results = summarise(_evaluate(targets[1]))
    assert {n for n in results if not n.endswith(("_reason", *COUNTS))} == set(summary_names())


def _zero(target: Target) -> Prediction:
    return Prediction(*(torch.zeros_like(field) for field in _truth(target)))


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
    results = summarise(_evaluate(target, _zero(target)))
    for name in summary_names():
        value = results[name]
        assert value is None or np.isfinite(value), name
        assert (value is None) == (f"{name}_reason" in results), name
    everything = limit(target).z_valid.all()
    null = {name for name in summary_names() if results[name] is None and everything}
    null -= {name for name in summary_names() if "refined" in name}
    camera_free = {name for name in summary_names() if "weak" in name}
    assert null == (set() if not everything else camera_free if K_valid else null - camera_free)


def test_the_interhand_mean_is_over_the_joints_of_both_sides(targets: tuple[list, Target]) -> None:
    _, target = targets
    truth = _truth(target)
    moved = truth.xyz.clone()
    moved[1, 8, 0] += 0.01 / target.bone[1]  # one of three left hands
    for valid in (target.xyz_valid, target.z_valid):
        valid[[0, 3], 8] = False  # of the right hands one has the joint
    evaluation = _evaluate(target, truth._replace(xyz=moved))
    errors = (evaluation.xyz - evaluation.true_xyz).norm(dim=-1)
    means = [
        float(errors[rows, joint][evaluation.xyz_valid[rows, joint]].mean())
        for rows in (~target.is_left, target.is_left)
        for joint in range(21)
    ]
    results = summarise(evaluation)
    assert results["mpjpe_both_sides_bone_granted_mm"] == pytest.approx(np.mean(means))
    assert results["mpjpe_both_sides_bone_granted_mm"] == pytest.approx(10 / 3 / 42, rel=1e-3)
    assert results["epe3d_root_relative_bone_granted_mm"] == pytest.approx(10 / 4 / 21, rel=1e-3)


def test_a_left_hand_left_mirrored_is_an_error(targets: tuple[list, Target]) -> None:
    _, target = targets
    evaluation = _evaluate(target)
    mirrored = evaluation.xyz * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    results = summarise(evaluation._replace(xyz=mirrored))
    assert results["mpjpe_both_sides_bone_granted_mm"] > 20
    assert results["pa_epe_mm"] > 5
    assert results["pa_with_reflection_epe_mm"] == pytest.approx(0, abs=1e-2)


def test_pck_in_2d_equals_a_slow_version(targets: tuple[list, Target]) -> None:
    _, target = targets
    target.uv_valid[0, 3:9] = False
    truth = _truth(target)
    noise = torch.randn(6, 21, 2, generator=torch.Generator().manual_seed(1)) * 6
    uvz = torch.cat((truth.uvz[..., :2] + noise, truth.uvz[..., 2:]), dim=-1)
    evaluation = _evaluate(target, truth._replace(uvz=uvz))
    within = []
    for joint in range(21):
        hits = []
        for row in range(6):
            valid = evaluation.uv_valid[row].numpy()
            if valid[joint]:
                true = evaluation.true_uv[row].numpy()
                radius = np.linalg.norm(true[valid] - true[valid].mean(0), axis=1).max()
                error = np.linalg.norm(evaluation.uv[row, joint].numpy() - true[joint])
                hits.append(error <= 0.2 * 2 * radius)
        within.append(np.mean(hits))
    results = summarise(evaluation)
    assert 0.2 < np.mean(within) < 0.99
    assert results["pck2d_at_20pct_of_joint_box"] == pytest.approx(np.mean(within))
    assert 0 < results["auc_pck2d_to_20pct_of_joint_box"] < np.mean(within)


def test_the_box_is_that_of_the_labels(targets: tuple[list, Target]) -> None:
    samples, target = targets
    moved = target.uvz.clone()
    moved[2, 4, 0] += 5.0
    evaluation = _evaluate(target, _truth(target)._replace(uvz=moved))
    error = np.linalg.norm(evaluation.uv[2, 4].numpy() - samples[2].uv[4])
    assert float(in_boxes(evaluation).values[2, 4]) == pytest.approx(
        error / joint_box(samples[2].uv)[2], rel=1e-3
    )


def test_hands_in_px_are_compared_in_px_of_the_source(
    make_sample: Callable, make_settings: Callable
) -> None:
    image, generator = np.zeros((120, 160, 3), np.uint8), torch.Generator().manual_seed(0)
    crops = []
    for i, side in enumerate(("left", "right")):
        sample = make_sample(image, side=side, seed=i)
        px = 300 * (sample.xyz - sample.xyz[0]) + np.float32([70, 60, 0])
        sample = sample._replace(K=np.eye(3, dtype=np.float32), xyz=px, uv=px[:, :2])
        options = {"rng": np.random.default_rng(i), "size": 64, "reference_bone": "index"}
        crops.append(make_target(sample, make_settings("rotate", "crop"), index=i, **options))
    target = default_collate(crops)
    truth = _truth(target)._replace(xyz=torch.zeros(2, 21, 3))
    results = summarise(_evaluate(target, truth))
    assert results["pa_epe_weak_perspective_px"] == pytest.approx(0, abs=1e-3)
    assert results["pa_epe_mm"] is None
    flat = truth._replace(uvz=truth.uvz * torch.tensor([1.0, 1.0, 0.0]))
    assert summarise(_evaluate(target, flat))["pa_epe_weak_perspective_px"] > 3
    noise = torch.randn(2, 21, 2, generator=generator)
    noisy = truth._replace(uvz=truth.uvz + torch.nn.functional.pad(noise, (0, 1)))
    of_noise = summarise(_evaluate(target, noisy))
    factor = of_noise["epe2d_px"] / float(noise.norm(dim=-1).mean())
    assert factor == pytest.approx(0.66 * 160 / 64, rel=0.5), "px of the source, not of the crop"
    assert of_noise["pa_epe_weak_perspective_px"] < 2 * of_noise["epe2d_px"]


def test_two_passes_stand_side_by_side(targets: tuple[list, Target]) -> None:
    _, target = targets
    first = _evaluate(target, _zero(target))
    moved = first.affine.clone()
    moved[1:] += 1.0
    results = summarise_passes([first, _evaluate(target)._replace(affine=moved)])
    assert results["pa_epe_mm"] == summarise(first)["pa_epe_mm"] > 1
    assert results["second_pass_pa_epe_mm"] == pytest.approx(0, abs=1e-2)
    assert results["n_second_pass_kept_first_crop"] == 1
    assert not [name for name in results if "second_pass_mean_pose" in name or "pass_n_" in name]
    assert summarise_passes([first]) == summarise(first)
