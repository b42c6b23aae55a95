"""The official numbers on hands of which some labels are missing, beside slow, obvious versions.

The slow versions take what a head predicts and what a sample is labelled with, hand by hand and
joint by joint, as FreiHAND's `eval.py` and InterHand2.6M's `evaluate` do.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hands import CROP, hands
from scipy.linalg import orthogonal_procrustes
from torch.utils.data import default_collate

from handpose.augment.views import make_target
from handpose.data.base import joint_box
from handpose.evaluation.evaluation import NO_MEAN_POSES, Evaluation, collect
from handpose.evaluation.summarise import summarise
from handpose.geometry.camera import project
from handpose.geometry.pose25d import ROOT_DEPTH_RANGE, solve_root_depth, uvz_to_xyz
from handpose.records import Prediction, Sample, Target
from handpose.skeleton import REFERENCE_BONES

COUNT, WRIST, INDEX_MCP, SCALE = 40, 0, 5, (9, 10)
# Hands by what is not labelled in 3D; the others are complete.
LACKING = {
    "wrist": range(5),
    "index MCP": range(5, 11),
    "middle PIP": range(11, 15),
    "all but two": range(15, 18),
    "a fingertip": range(18, 20),
    "camera": range(20, 22),
    "everything": range(22, 24),
}
JOINTS = {
    "wrist": [WRIST],
    "index MCP": [INDEX_MCP],
    "middle PIP": [SCALE[1]],
    "all but two": [*range(1, 20)],
    "a fingertip": [8],
    "camera": [],
    "everything": [*range(21)],
}


def _valid(row: int) -> np.ndarray:
    """(21,) which joints of a hand are labelled in 3D."""
    lacking = [joint for name, joints in JOINTS.items() if row in LACKING[name] for joint in joints]
    return ~np.isin(np.arange(21), lacking)


@pytest.fixture
def samples() -> list[Sample]:
    """Natural hands of both sides, as a source yields them: what is missing is 0."""
    xyz, K = (part.numpy() for part in hands(COUNT, seed=0))
    image, found = np.zeros((CROP, CROP, 3), dtype=np.uint8), []
    for row in range(COUNT):
        valid, has_camera = _valid(row), row not in LACKING["camera"]
        uv = project(K[row], xyz[row])
        found.append(
            Sample(
                image=image,
                uv=uv,
                xyz=np.where(valid[:, None], xyz[row] if has_camera else 100 * xyz[row], 0.0),
                K=K[row] if has_camera else np.eye(3, dtype=np.float32),
                uv_valid=np.ones(21, dtype=bool),
                xyz_valid=valid,
                box=joint_box(uv),
                side="left" if row % 3 == 0 else "right",
                key=f"test/{row}#0",
                scale=np.float32(0.03 if row == 11 else 0),  # stated, though not to be measured
            )
        )
    return found


@pytest.fixture
def target(samples: list[Sample], make_settings: Callable) -> Target:
    return default_collate(
        [
            make_target(
                sample,
                make_settings("crop"),
                rng=np.random.default_rng(0),
                size=CROP,
                reference_bone="index",
                index=index,
            )
            for index, sample in enumerate(samples)
        ]
    )


@pytest.fixture
def prediction(samples: list[Sample], target: Target) -> Prediction:
    """The true 2.5D pose, with errors that are larger where something is not labelled."""
    xyz, _ = hands(COUNT, seed=0)
    left = torch.tensor([sample.side == "left" for sample in samples])
    xyz = torch.where(left[:, None, None], xyz * torch.tensor([-1.0, 1, 1]), xyz)
    bone = (xyz[:, INDEX_MCP] - xyz[:, WRIST]).norm(dim=-1)
    z = (xyz[..., 2] - xyz[:, :1, 2]) / bone[:, None]
    uv = torch.where(target.K_valid[:, None, None], project(target.K, xyz), target.uvz[..., :2])
    size = torch.where(torch.arange(COUNT) < 24, 3.0, 1.0)[:, None]
    draw = torch.Generator().manual_seed(1)
    noise = torch.randn(COUNT, 21, 3, generator=draw) * size[..., None]
    uvz = torch.cat((uv + 0.02 * CROP * noise[..., :2], (z + 0.1 * noise[..., 2])[..., None]), -1)
    uvz[..., 2] -= uvz[:, :1, 2].clone()
    uvz, K = uvz.double(), target.K.double()
    depth = solve_root_depth(uvz, K, REFERENCE_BONES["index"])
    no = torch.zeros(COUNT, dtype=torch.bool)
    xyz = uvz_to_xyz(uvz, K, depth)
    nothing, sure = torch.empty(COUNT, 0), (torch.ones(COUNT, 21), torch.ones(COUNT))
    return Prediction(uvz, xyz, depth, nothing, depth, no, uvz, nothing, *sure)


@pytest.fixture
def evaluation(prediction: Prediction, target: Target) -> Evaluation:
    return collect(prediction, target, NO_MEAN_POSES, reference_bone="index")


def _per_joint_mean(errors: dict[int, list[float]]) -> float:
    """The mean over the joints that have errors of the mean of their errors."""
    return float(np.mean([np.mean(own) for own in errors.values() if own]))


def _aligned(true: np.ndarray, predicted: np.ndarray, *, reflection: bool) -> np.ndarray:
    """`align_w_scale` of FreiHAND's eval.py; the rotation proper where it may not reflect."""
    shift, a, b = true.mean(0), true - true.mean(0), predicted - predicted.mean(0)
    a_size, b_size = np.linalg.norm(a) + 1e-8, np.linalg.norm(b) + 1e-8
    a, b = a / a_size, b / b_size
    rotation, scale = orthogonal_procrustes(a, b)
    if not reflection and np.linalg.det(rotation) < 0:
        u, singular, vt = np.linalg.svd(a.T @ b)
        u[:, 2] *= -1
        rotation, scale = u @ vt, singular[0] + singular[1] - singular[2]
    return (b @ rotation.T) * scale * a_size + shift


def _unmirrored(xyz: np.ndarray, sample: Sample) -> np.ndarray:
    return xyz * [-1, 1, 1] if sample.side == "left" else xyz


@pytest.mark.parametrize("reflection", [False, True])
def test_aligned_errors_are_of_every_hand_with_three_joints(
    samples: list[Sample], prediction: Prediction, evaluation: Evaluation, reflection: bool
) -> None:
    errors: dict[int, list[float]] = {joint: [] for joint in range(21)}
    for row, sample in enumerate(samples):
        valid = sample.xyz_valid
        if valid.sum() < 3 or row in LACKING["camera"]:
            continue
        predicted = _unmirrored(prediction.xyz[row].numpy(), sample)[valid]
        true = 1000 * sample.xyz[valid].astype(np.float64)
        aligned = _aligned(true, predicted, reflection=reflection)
        for joint, error in zip(
            np.flatnonzero(valid), np.linalg.norm(aligned - true, axis=1), strict=True
        ):
            errors[joint].append(error)
    name = "pa_with_reflection_epe_mm" if reflection else "pa_epe_mm"
    results = summarise(evaluation)
    assert results[name] == pytest.approx(_per_joint_mean(errors), abs=1e-3)
    assert results[f"{name}_n_hands"] == COUNT - 3 - 2 - 2
    assert results[f"{name}_n_joints"] == sum(map(len, errors.values()))
    vanished = summarise(evaluation._replace(xyz_valid=evaluation.z_valid))
    assert results[name] - vanished[name] > 1, "mm: hands without a wrist or an index MCP"
    two = summarise(evaluation._replace(xyz_valid=evaluation.xyz_valid & _but_two()))
    assert two[name] is None, "any two points align"
    assert "three joints" in two[f"{name}_reason"]


def _but_two() -> torch.Tensor:
    return torch.arange(21) < 2


def test_camera_errors_are_of_every_hand_with_a_known_scale(
    samples: list[Sample], prediction: Prediction, evaluation: Evaluation
) -> None:
    """`eval_util_absolute` of eval.py, of predictions that were given the scale."""
    errors: dict[int, list[float]] = {joint: [] for joint in range(21)}
    count = 0
    for row, sample in enumerate(samples):
        if sample.xyz_valid[list(SCALE)].all():
            scale = np.linalg.norm(sample.xyz[9] - sample.xyz[10])
        else:
            scale = float(sample.scale)
        if scale == 0 or row in LACKING["camera"]:
            continue
        count += 1
        predicted = _unmirrored(prediction.xyz[row].numpy(), sample)
        predicted = predicted * scale / np.linalg.norm(predicted[9] - predicted[10])
        for joint in np.flatnonzero(sample.xyz_valid):
            error = 1000 * np.linalg.norm(predicted[joint] - sample.xyz[joint])
            errors[joint].append(error)
    results = summarise(evaluation)
    name = "epe3d_camera_scale_granted_mm"
    assert results[name] == pytest.approx(_per_joint_mean(errors), abs=1e-2)
    assert results[f"{name}_n_hands"] == count
    assert results[f"{name}_n_joints"] == sum(map(len, errors.values()))
    # Of the 4 without an end of the bone one has its length stated.
    assert count == COUNT - 3 - 3 - 2 - 2


def test_mpjpe_is_of_every_hand_with_a_root_whose_depth_is_granted(
    samples: list[Sample], prediction: Prediction, target: Target, evaluation: Evaluation
) -> None:
    """InterHand2.6M's `evaluate`: a hand without its root has no valid joint; 42 joints in all."""
    errors: dict[int, list[float]] = {joint: [] for joint in range(42)}
    count = 0
    for row, sample in enumerate(samples):
        if not sample.xyz_valid[WRIST] or row in LACKING["camera"]:
            continue
        count += 1
        true = 1000 * sample.xyz.astype(np.float64)
        coord_img, K = prediction.uvz[row].numpy().copy(), target.K[row].double().numpy()
        in_mm = true[WRIST, 2] / float(prediction.root_depth[row])  # of a reference bone
        coord_img[:, 2] = coord_img[:, 2] * in_mm + true[WRIST, 2]
        pixel = np.concatenate((coord_img[:, :2], np.ones((21, 1))), axis=1)
        coord_cam = _unmirrored((np.linalg.inv(K) @ pixel.T).T * coord_img[:, 2:], sample)
        coord_cam -= coord_cam[WRIST]
        true -= true[WRIST]
        for joint in np.flatnonzero(sample.xyz_valid):
            place = joint + 21 * (sample.side == "left")
            errors[place].append(np.sqrt(np.sum((coord_cam[joint] - true[joint]) ** 2)))
    results = summarise(evaluation)
    name = "mpjpe_both_sides_root_depth_granted_mm"
    assert results[name] == pytest.approx(_per_joint_mean(errors), abs=1e-3)
    assert results[f"{name}_n_hands"] == count == COUNT - 5 - 2 - 2
    assert results[f"{name}_n_joints"] == sum(map(len, errors.values()))


def test_metrics_with_the_bone_granted_need_root_and_bone(evaluation: Evaluation) -> None:
    results = summarise(evaluation)
    for name in ("epe3d_root_relative_bone_granted_mm", "mpjpe_both_sides_bone_granted_mm"):
        assert results[f"{name}_n_hands"] == COUNT - 5 - 6 - 3 - 2 - 2
    assert results["root_depth_error_mm_n_hands"] == COUNT - 5 - 6 - 3 - 2 - 2
    assert results["epe2d_px_n_hands"] == results["n_test"] == COUNT
    assert results["epe2d_px_n_joints"] == 21 * COUNT


def test_a_single_joint_has_no_box_to_measure_by(evaluation: Evaluation) -> None:
    valid = evaluation.uv_valid.clone()
    valid[:7, 1:] = False
    results = summarise(evaluation._replace(uv_valid=valid))
    assert results["epe2d_px_n_hands"] == COUNT
    assert results["pck2d_at_20pct_of_joint_box_n_hands"] == COUNT - 7


def test_the_share_of_clamped_root_depths_is_of_hands_before_a_camera(
    prediction: Prediction, target: Target
) -> None:
    depth = torch.full((COUNT,), 7.0)
    depth[24:28], depth[28:30], depth[20:22] = ROOT_DEPTH_RANGE[0], ROOT_DEPTH_RANGE[1], 1.0
    clamped = prediction._replace(root_depth=depth)
    results = summarise(collect(clamped, target, NO_MEAN_POSES, reference_bone="index"))
    assert results["root_depth_clamped_share"] == pytest.approx(6 / (COUNT - 2))
    assert results["root_depth_clamped_share_n_hands"] == COUNT - 2
