"""From predictions in the model's frame to errors in the source's."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from perfect import evaluate, perfect
from torch.utils.data import default_collate

from handpose.augment.views import make_target
from handpose.data.base import joint_box
from handpose.evaluation.joint_errors import in_boxes
from handpose.evaluation.summarise import summarise
from handpose.records import Target


def test_everything_is_undone_for_both_sides(targets: tuple[list, Target]) -> None:
    samples, target = targets
    evaluation = evaluate(target)
    for row, sample in enumerate(samples):
        assert np.abs(evaluation.uv[row].numpy() - sample.uv).max() < 1e-3
        assert np.abs(evaluation.camera_xyz[row].numpy() - 1000 * sample.xyz).max() < 1e-2


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
    right = evaluate(target, reference_bone="middle")
    results = summarise(right)
    for name in (
        "epe3d_root_relative_bone_granted_mm",
        "root_depth_error_mm",
        "epe3d_camera_scale_granted_mm",
    ):
        assert results[name] == pytest.approx(0, abs=1e-2)
    index = (target.xyz[:, 5] - target.xyz[:, 0]).norm(dim=-1)
    wrong = summarise(evaluate(target._replace(bone=index), perfect(target)))
    assert wrong["epe3d_root_relative_bone_granted_mm"] > 5
    assert wrong["root_depth_error_mm"] > 50
    in_px = evaluate(target, reference_bone="index").px_xyz
    assert (in_px - right.px_xyz).abs().max() > 1


def test_the_interhand_mean_is_over_the_joints_of_both_sides(targets: tuple[list, Target]) -> None:
    _, target = targets
    truth = perfect(target)
    moved = truth.xyz.clone()
    moved[1, 8, 0] += 0.01 / target.bone[1]  # one of three left hands
    for valid in (target.xyz_valid, target.z_valid):
        valid[[0, 3], 8] = False  # of the right hands one has the joint
    evaluation = evaluate(target, truth._replace(xyz=moved))
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
    evaluation = evaluate(target)
    mirrored = evaluation.xyz * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    results = summarise(evaluation._replace(xyz=mirrored))
    assert results["mpjpe_both_sides_bone_granted_mm"] > 20
    assert results["pa_epe_mm"] > 5
    assert results["pa_with_reflection_epe_mm"] == pytest.approx(0, abs=1e-2)


def test_pck_in_2d_equals_a_slow_version(targets: tuple[list, Target]) -> None:
    _, target = targets
    target.uv_valid[0, 3:9] = False
    truth = perfect(target)
    noise = torch.randn(6, 21, 2, generator=torch.Generator().manual_seed(1)) * 6
    uvz = torch.cat((truth.uvz[..., :2] + noise, truth.uvz[..., 2:]), dim=-1)
    evaluation = evaluate(target, truth._replace(uvz=uvz))
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
    evaluation = evaluate(target, perfect(target)._replace(uvz=moved))
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
    truth = perfect(target)._replace(xyz=torch.zeros(2, 21, 3))
    results = summarise(evaluate(target, truth))
    assert results["pa_epe_weak_perspective_px"] == pytest.approx(0, abs=1e-3)
    assert results["pa_epe_mm"] is None
    flat = truth._replace(uvz=truth.uvz * torch.tensor([1.0, 1.0, 0.0]))
    assert summarise(evaluate(target, flat))["pa_epe_weak_perspective_px"] > 3
    noise = torch.randn(2, 21, 2, generator=generator)
    noisy = truth._replace(uvz=truth.uvz + torch.nn.functional.pad(noise, (0, 1)))
    of_noise = summarise(evaluate(target, noisy))
    factor = of_noise["epe2d_px"] / float(noise.norm(dim=-1).mean())
    assert factor == pytest.approx(0.66 * 160 / 64, rel=0.5), "px of the source, not of the crop"
    assert of_noise["pa_epe_weak_perspective_px"] < 2 * of_noise["epe2d_px"]
