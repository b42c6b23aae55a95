"""The numbers of DexYCB and HO-3D equal a direct transcription of their evaluations."""

from typing import Any

import numpy as np
import pytest
import torch
from official_numbers import of_dexycb, of_ho3d

from handpose.data.sources.ho3d import to_theirs
from handpose.evaluation.evaluation import Evaluation
from handpose.evaluation.joint_errors import at_root_depth
from handpose.evaluation.summarise import summarise
from handpose.skeleton import BONES

COUNT = 40


@pytest.fixture
def evaluation(rng: np.random.Generator) -> Evaluation:
    """Random hands, and predictions at another size, depth and shape; some are reflected."""
    true = rng.normal(scale=40, size=(COUNT, 21, 3)) + np.array([0, 0, 600])
    noise = rng.exponential(12, size=(COUNT, 1, 1)) * rng.normal(size=(COUNT, 21, 3))
    predicted = (true + noise) * rng.uniform(0.5, 2, (COUNT, 1, 1))
    predicted[:5] = (predicted[:5] - predicted[:5, :1]) * [1, 1, -1] + predicted[:5, :1]
    mean_pose = rng.normal(scale=45, size=(21, 3))
    fields: dict[str, Any] = dict.fromkeys(Evaluation._fields, torch.empty(0))
    every = torch.ones(COUNT, 21, dtype=torch.bool)
    no = torch.zeros(COUNT, dtype=torch.bool)
    camera, labelled = torch.from_numpy(predicted), torch.from_numpy(true)
    numbers = {name: torch.ones(COUNT).double() for name in ("root_depth", "solved_root_depth")}
    return Evaluation(
        **fields
        | numbers
        | {"uv": labelled[..., :2], "true_uv": labelled[..., :2]}
        | {"xyz": camera - camera[:, :1], "true_xyz": labelled - labelled[:, :1]}
        | {"camera_xyz": camera, "true_camera_xyz": labelled}
        | {"px_xyz": camera, "true_px_xyz": labelled, "px_valid": ~every}
        | {"uv_valid": every, "xyz_valid": every, "z_valid": every, "scale_valid": ~no}
        | {"true_root_depth": labelled[:, 0, 2], "K_valid": ~no, "is_left": no}
        | {"is_refined": no, "is_clamped": no, "index": torch.arange(COUNT)}
        | {"affine": torch.eye(2, 3).expand(COUNT, 2, 3)}
        | {"mean_pose": torch.from_numpy(mean_pose), "mean_pose_of_all": torch.empty(0, 3)}
    )


def length(hand: np.ndarray) -> float:
    return float(sum(np.linalg.norm(hand[end] - hand[start]) for start, end in BONES))


def test_dexycb_s_three_numbers_with_nothing_granted(evaluation: Evaluation) -> None:
    size = length(evaluation.mean_pose.numpy())
    pairs = [
        (true, predicted * size / length(predicted))
        for true, predicted in zip(
            evaluation.true_camera_xyz.numpy(), evaluation.camera_xyz.numpy(), strict=True
        )
    ]
    official, results = of_dexycb(pairs), summarise(evaluation)
    for number, name in (
        ("absolute", "camera_training_size"),
        ("root-relative", "root_relative_training_size"),
    ):
        mean, auc = official[number]
        assert results[f"epe3d_{name}_mm"] == pytest.approx(mean, abs=1e-6)
        assert results[f"auc_{name}_50mm"] == pytest.approx(auc, abs=1e-6)
        assert 0 < auc < 1
        assert results[f"epe3d_{name}_mm_n_hands"] == COUNT
    mean, auc = official["procrustes"]
    assert results["pa_with_reflection_epe_mm"] == pytest.approx(mean, abs=1e-6)
    assert results["auc_pa_with_reflection_50mm"] == pytest.approx(auc, abs=1e-6)
    assert results["pa_epe_mm"] > mean + 1, "some are reflected"


def test_ho3d_s_three_numbers_with_the_wrist_given(evaluation: Evaluation) -> None:
    """In metres, in MANO's order and OpenGL's frame, as the submission file has them."""
    true = to_theirs(evaluation.true_camera_xyz.numpy() / 1000)
    predicted = to_theirs(at_root_depth(evaluation).numpy() / 1000)
    official, results = of_ho3d(zip(true, predicted, strict=True)), summarise(evaluation)
    for number, mean_name, auc_name in (
        (
            "absolute",
            "epe3d_camera_root_depth_granted_mm",
            "auc_camera_root_depth_granted_50mm",
        ),
        (
            "scale-translation",
            "epe3d_root_relative_middle_bone_granted_mm",
            "auc_root_relative_middle_bone_granted_50mm",
        ),
        ("procrustes", "pa_with_reflection_epe_mm", "auc_pa_with_reflection_50mm"),
    ):
        mean, auc = official[number]
        # Their alignment adds 1e-8 to a size in metres, which is 1e-5 mm of a hand.
        limit = 1e-4 if number == "procrustes" else 1e-6
        assert results[mean_name] == pytest.approx(1000 * mean, abs=limit)
        assert results[mean_name] / 1000 == pytest.approx(mean, abs=1e-6)
        assert results[auc_name] == pytest.approx(auc, abs=1e-6)
        assert 0 < auc < 1


def test_another_size_or_depth_would_be_seen(evaluation: Evaluation) -> None:
    """The numbers with nothing granted follow the mean pose; those at the true depth do not."""
    one = summarise(evaluation)
    other = summarise(evaluation._replace(mean_pose=1.1 * evaluation.mean_pose))
    for name in ("epe3d_camera_training_size_mm", "epe3d_root_relative_training_size_mm"):
        assert abs(one[name] - other[name]) > 1
    for name in (
        "epe3d_camera_root_depth_granted_mm",
        "epe3d_root_relative_middle_bone_granted_mm",
    ):
        assert one[name] == other[name]
    scaled = summarise(evaluation._replace(camera_xyz=3 * evaluation.camera_xyz))
    for name in one:
        if name.startswith("epe3d_") and name.endswith(
            ("size_mm", "bone_granted_mm", "depth_granted_mm")
        ):
            assert scaled[name] == pytest.approx(one[name], abs=1e-6), "an unknown scale is no help"


def test_what_is_not_known_is_null_with_the_reason(evaluation: Evaluation) -> None:
    without = summarise(evaluation._replace(mean_pose=torch.empty(0, 3)))
    for name in ("epe3d_camera_training_size_mm", "auc_root_relative_training_size_50mm"):
        assert without[name] is None
        assert "no labelled training hand is complete" in without[f"{name}_reason"]
    wrist = torch.zeros(COUNT, 21, dtype=torch.bool)
    wrist[:, 0] = True
    alone = summarise(evaluation._replace(xyz_valid=wrist, z_valid=wrist & False))
    for name in (
        "epe3d_camera_root_depth_granted_mm",
        "epe3d_root_relative_middle_bone_granted_mm",
        "epe3d_root_relative_training_size_mm",
        "mpjpe_both_sides_root_depth_granted_mm",
    ):
        assert alone[name] is None, "a wrist that is moved to its place is no error of 0"


def test_a_collapsed_hand_has_a_number(evaluation: Evaluation) -> None:
    points = evaluation._replace(camera_xyz=torch.zeros_like(evaluation.camera_xyz))
    results = summarise(points)
    for name in ("camera_training_size", "camera_root_depth_granted"):
        assert np.isfinite(results[f"epe3d_{name}_mm"])
    expected = evaluation.true_xyz.norm(dim=-1).mean()
    assert results["epe3d_root_relative_middle_bone_granted_mm"] == pytest.approx(float(expected))
