"""What every head does with its 2.5D pose: about the wrist or the palm, with either bone."""

import pytest
import torch
from hands import CONTRACT, CROP, Fixed, labelled, xyz_to_uvz
from torch import Tensor

from handpose.config.catalogue import Catalogue
from handpose.geometry.soft_argmax import gaussian_heatmaps
from handpose.heads.base import pose_25d_loss
from handpose.heads.heatmap import HeatmapHead
from handpose.records import Prediction, Target
from handpose.skeleton import REFERENCE_BONES

NOTHING = ((), torch.empty(0))


def _palm_uvz(target: Target, reference_bone: str) -> Tensor:
    """The pose about the palm, from 3D: uv of the midpoint, z counted from its depth."""
    palm = (target.xyz[:, 0] + target.xyz[:, 5]) / 2
    with_palm = torch.cat((palm[:, None], target.xyz[:, 1:]), dim=1)
    uv = xyz_to_uvz(with_palm, target.K, REFERENCE_BONES[reference_bone])[..., :2]
    z = (with_palm[..., 2] - palm[:, None, 2]) / target.bone[:, None]
    return torch.cat((uv, z[..., None]), dim=-1)


def _predict(pose: Tensor, target: Target, **contract: object) -> tuple[Fixed, Prediction]:
    head = Fixed(pose, **contract)
    with torch.no_grad():
        return head, head(*NOTHING, target.K)


def _errors(prediction: Prediction, target: Target) -> tuple[float, float, float]:
    """Greatest error of uv (px), of z (bones) and of xyz (bones)."""
    uvz = (prediction.uvz - target.uvz).abs()
    xyz = (prediction.xyz - target.xyz / target.bone[:, None, None]).abs()
    return float(uvz[..., :2].max()), float(uvz[..., 2].max()), float(xyz.max())


@pytest.mark.parametrize("bone", list(REFERENCE_BONES))
@pytest.mark.parametrize("root", ["wrist", "palm"])
def test_the_true_pose_comes_out_as_the_true_hand(root: str, bone: str) -> None:
    target = labelled(60, seed=0, reference_bone=bone)
    poses = {"wrist": target.uvz, "palm": _palm_uvz(target, bone)}
    head, prediction = _predict(poses[root], target, root=root, reference_bone=bone)
    uv, z, xyz = _errors(prediction, target)
    assert uv < 0.05  # float32: the solve loses some digits
    assert z < 1e-5
    assert xyz < 0.05
    assert prediction.uvz[:, 0, 2].abs().max() == 0
    depth = target.xyz[:, 0, 2] / target.bone
    assert (prediction.root_depth - depth).abs().max() < 0.05
    assert torch.equal(prediction.root_depth, prediction.solved_root_depth)
    assert not prediction.is_refined.any()
    assert max(float(term) for term in head.loss(prediction, target).values()) < 1e-4


@pytest.mark.parametrize("root", ["wrist", "palm"])
def test_the_pose_of_the_other_root_is_wrong(root: str) -> None:
    target = labelled(60, seed=0)
    poses = {"palm": target.uvz, "wrist": _palm_uvz(target, "index")}
    head, prediction = _predict(poses[root], target, root=root)
    uv, _, xyz = _errors(prediction, target)
    assert uv > 5
    assert xyz > 0.3
    assert head.loss(prediction, target)["loss_uv"] > 1e-3


def test_the_pose_of_the_other_bone_lies_at_the_wrong_depth() -> None:
    target = labelled(60, seed=0, reference_bone="middle")
    _, right = _predict(target.uvz, target, reference_bone="middle")
    _, wrong = _predict(target.uvz, target, reference_bone="index")
    depth = target.xyz[:, 0, 2] / target.bone
    assert (right.root_depth - depth).abs().max() < 0.05
    assert (wrong.root_depth - depth).abs().median() > 0.1


def test_a_palm_without_its_labels_is_left_out_and_nothing_else_is() -> None:
    target = labelled(5, seed=1)
    whole = Fixed(target.uvz, root="palm").own_target(target)
    joints, K_valid = target.uv_valid.clone(), target.K_valid.clone()
    uv_valid, z_valid, xyz = joints.clone(), joints.clone(), target.xyz.clone()
    uv_valid[1, 5] = False  # of the palm only one end is seen
    z_valid[2, 5] = False  # a camera, but no depth of that end
    z_valid[3], xyz[3] = False, 0  # 2D alone, with a camera
    z_valid[4], xyz[4], K_valid[4] = False, 0, False  # 2D alone, without
    target = target._replace(uv_valid=uv_valid, z_valid=z_valid, K_valid=K_valid, xyz=xyz)
    own = Fixed(target.uvz, root="palm").own_target(target)
    assert own.uv_valid[:, 0].tolist() == [True, False, False, False, True]
    assert torch.equal(own.uv_valid[:, 1:], uv_valid[:, 1:])
    assert own.z_valid.any(1).tolist() == [True, True, False, False, False]
    assert own.z_valid[:2].all()
    assert torch.equal(own.uvz[0], whole.uvz[0])
    assert torch.allclose(own.uvz[4, 0, :2], target.uvz[4, [0, 5], :2].mean(0))
    assert torch.isfinite(own.uvz).all()
    assert Fixed(target.uvz, root="wrist").own_target(target) is target


def test_without_a_camera_a_learned_palm_is_turned_back_into_the_labelled_wrist() -> None:
    """The eye stands for a camera that is not known, as MPII's samples have it."""
    target = labelled(4, seed=2)
    target = target._replace(
        K=torch.eye(3).expand(4, 3, 3),
        K_valid=torch.zeros(4, dtype=torch.bool),
        z_valid=torch.zeros(4, 21, dtype=torch.bool),
        xyz=torch.zeros(4, 21, 3),
        bone=torch.ones(4),
    )
    learned = Fixed(target.uvz, root="palm").own_target(target).uvz
    head, prediction = _predict(learned, target, root="palm")
    assert (prediction.uvz - target.uvz)[..., :2].abs().max() < 1e-4
    assert head.loss(prediction, target)["loss_uv"] < 1e-6
    assert all(torch.isfinite(field).all() for field in prediction)


@pytest.mark.parametrize("root", ["wrist", "palm"])
def test_heatmaps_are_pulled_towards_the_root_that_the_head_predicts(root: str) -> None:
    target, losses = labelled(3, seed=3), {}
    places = {"wrist": target.uvz, "palm": _palm_uvz(target, "index")}
    options = dict(width=8, stride=4, sigma=1.0, heatmap_weight=1.0)
    head = HeatmapHead(**options, **{**CONTRACT, "root": root})
    for place, pose in places.items():
        prediction = Fixed(pose, root=root)(*NOTHING, target.K)
        heatmap = gaussian_heatmaps(pose[..., :2], 16, CROP, 1.0)
        losses[place] = head.loss(prediction._replace(heatmap=heatmap), target)["loss_heatmap"]
    other = next(place for place in places if place != root)
    assert losses[root] < losses[other] - 0.01


@pytest.mark.parametrize("wrong", [{"root": "elbow"}, {"root_depth": "refine"}])
def test_a_wrong_word_is_refused_by_its_key(wrong: dict[str, str]) -> None:
    ((key, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"head.{key}={value}: expected"):
        Fixed(torch.zeros(1, 21, 3), **wrong)


@pytest.mark.parametrize("key", ["root", "root_depth"])
def test_the_words_of_the_configuration_are_those_of_the_head(key: str) -> None:
    words = Catalogue().keys("head")[key].rule.words
    heads = [Fixed(torch.zeros(1, 21, 3), **{key: word}) for word in words]
    states = {(head.about_palm, head.refiner is not None) for head in heads}
    assert len(states) == len(words) == 2


def test_pose_loss_ignores_unlabelled_values_and_their_gradients() -> None:
    predicted = torch.randn(3, 21, 3, requires_grad=True)
    true = torch.randn(3, 21, 3)
    uv_valid, z_valid = torch.rand(3, 21) < 0.5, torch.rand(3, 21) < 0.5
    true[..., :2][~uv_valid] = torch.nan
    true[..., 2][~z_valid] = torch.nan
    uv, z = pose_25d_loss(predicted, true, uv_valid, z_valid, image_size=64)
    (uv + z).backward()
    error = (predicted - true).detach().abs()
    assert float(uv) == pytest.approx(float(error[..., :2][uv_valid].mean()) / 64, rel=1e-5)
    assert float(z) == pytest.approx(float(error[..., 2][z_valid].mean()), rel=1e-5)
    assert torch.isfinite(predicted.grad).all()
    assert (predicted.grad[..., 2][~z_valid] == 0).all()


def test_pose_loss_without_any_label_is_zero_not_nan() -> None:
    predicted = torch.randn(2, 21, 3, requires_grad=True)
    nothing = torch.zeros(2, 21, dtype=torch.bool)
    uv, z = pose_25d_loss(predicted, torch.zeros(2, 21, 3), nothing, nothing, image_size=64)
    (uv + z).backward()
    assert float(uv) == float(z) == 0
    assert (predicted.grad == 0).all()
