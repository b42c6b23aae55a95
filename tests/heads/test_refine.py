"""The refined root depth: from the predicted pose alone, without bending it, and for the better."""

import pytest
import torch
from hands import CONTRACT, CROP, Fixed, labelled
from torch import Tensor, nn

from handpose.backbones.base import Backbone
from handpose.geometry.pose25d import ROOT_DEPTH_RANGE, solve_root_depth, uvz_to_xyz
from handpose.heads.base import root_depth_loss
from handpose.heads.refine import RootDepthRefiner
from handpose.heads.regression import RegressionHead
from handpose.model import PoseModel
from handpose.records import Features, Target
from handpose.skeleton import REFERENCE_BONES
from handpose.training.finetuner import Finetuner

NOTHING = ((), torch.empty(0))


def _with_noise(target: Target, *, seed: int, root: str = "wrist") -> Tensor:
    """The true pose with errors as a trained head has them: 2.5 % of the crop, 0.1 bones."""
    draw = torch.Generator().manual_seed(seed)
    noise = torch.randn(target.uvz.shape, generator=draw)
    true = Fixed(target.uvz, root=root).own_target(target).uvz
    uvz = true + noise * torch.tensor([0.025 * CROP, 0.025 * CROP, 0.1])
    return torch.cat((uvz[..., :2], uvz[..., 2:] - uvz[:, :1, 2:]), dim=-1)


def _refined(pose: Tensor, **contract: object) -> Fixed:
    """A refining head whose MLP is no longer at its start, where it does nothing."""
    head = Fixed(pose, root_depth="refined", **contract)
    draw = torch.Generator().manual_seed(0)
    last = head.refiner.mlp[-1]
    with torch.no_grad():
        last.weight.copy_(0.02 * torch.randn(last.weight.shape, generator=draw))
    return head


@pytest.mark.parametrize("root", ["wrist", "palm"])
def test_before_training_it_is_the_solve(root: str) -> None:
    target = labelled(20, seed=0)
    pose = _with_noise(target, seed=1, root=root)
    plain = Fixed(pose, root=root)(*NOTHING, target.K)
    start = Fixed(pose, root=root, root_depth="refined")(*NOTHING, target.K)
    moved = _refined(pose, root=root)(*NOTHING, target.K)
    assert torch.equal(start.root_depth, plain.root_depth)
    assert torch.equal(start.xyz, plain.xyz)
    assert start.is_refined.all()
    assert torch.equal(moved.solved_root_depth, plain.root_depth)
    assert (moved.root_depth - plain.root_depth).abs().median() > 1e-3


def test_the_same_seed_draws_the_same_head_with_it_and_without() -> None:
    weights = []
    for root_depth in ("solve", "refined"):
        torch.manual_seed(3)
        head = RegressionHead(hidden_dim=4, **{**CONTRACT, "root_depth": root_depth})
        weights.append(head.mlp.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize("root", ["wrist", "palm"])
def test_the_hand_lies_at_the_refined_depth(root: str) -> None:
    target = labelled(20, seed=0)
    prediction = _refined(_with_noise(target, seed=1, root=root), root=root)(*NOTHING, target.K)
    assert torch.equal(prediction.xyz[:, 0, 2], prediction.root_depth)
    expected = uvz_to_xyz(prediction.uvz, target.K, prediction.root_depth)
    assert torch.equal(prediction.xyz, expected)
    palm = (prediction.xyz[:, 0] + prediction.xyz[:, 5]) / 2
    seen = (target.K @ palm[..., None])[..., 0]
    own = prediction.own_uvz[:, 0, :2]
    assert ((seen[:, :2] / seen[:, 2:] - own).abs().max() < 1e-3) == (root == "palm")


@pytest.mark.parametrize("root", ["wrist", "palm"])
def test_its_loss_trains_the_mlp_and_leaves_the_pose_alone(root: str) -> None:
    target = labelled(20, seed=0)
    head = _refined(_with_noise(target, seed=1, root=root), root=root)
    terms = head.loss(head(*NOTHING, target.K), target)
    terms["loss_root_depth"].backward(retain_graph=True)
    assert head.pose.grad is None
    assert all(parameter.grad.abs().sum() > 0 for parameter in head.refiner.parameters())
    values = {name: float(term.detach()) for name, term in terms.items()}
    pose = values["loss_uv"] + head.depth_weight * values["loss_z"]
    assert values["loss"] == pytest.approx(pose + values["loss_root_depth"], rel=1e-5)
    terms["loss"].backward()
    assert head.pose.grad.abs().sum() > 0


def test_its_loss_is_that_of_labelled_roots_before_a_camera() -> None:
    target = labelled(4, seed=0)
    z_valid, K_valid = target.z_valid.clone(), target.K_valid.clone()
    z_valid[1], K_valid[2] = False, False
    xyz = target.xyz.clone()
    xyz[1:3] = torch.nan
    head = _refined(target.uvz)
    prediction = head(*NOTHING, target.K)
    partly = target._replace(z_valid=z_valid, K_valid=K_valid, xyz=xyz)
    error = (prediction.root_depth - target.xyz[:, 0, 2] / target.bone).abs()
    loss = root_depth_loss(prediction, partly)
    assert float(loss.detach()) == pytest.approx(float(error[[0, 3]].mean().detach()), rel=1e-5)
    loss.backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in head.refiner.parameters())


@pytest.mark.parametrize("root", ["wrist", "palm"])
def test_it_is_defined_for_any_prediction(root: str) -> None:
    target = labelled(4, seed=0)
    pose = torch.zeros(4, 21, 3)
    pose[1] = 1e3 * torch.randn(21, 3, generator=torch.Generator().manual_seed(0))
    pose[2, 5, 2] = 7.0
    head = _refined(pose, root=root)
    K = torch.cat((target.K[:3], torch.eye(3)[None]))
    prediction = head(*NOTHING, K)
    assert all(torch.isfinite(field).all() for field in prediction)
    low, high = ROOT_DEPTH_RANGE
    assert ((prediction.root_depth >= low) & (prediction.root_depth <= high)).all()
    head.loss(prediction, target)["loss"].backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in head.parameters())


@pytest.mark.parametrize("bias", [-9.0, 9.0])
def test_an_mlp_that_went_astray_comes_back(bias: float) -> None:
    """Early steps can push it beyond the range, where a mere clamp would hold it for ever."""
    target = labelled(20, seed=0)
    head = Fixed(_with_noise(target, seed=1), root_depth="refined")
    with torch.no_grad():
        head.refiner.mlp[-1].bias.fill_(bias)
    optimizer = torch.optim.Adam(head.refiner.parameters(), lr=1e-3)
    for _ in range(300):
        optimizer.zero_grad()
        loss = root_depth_loss(head(*NOTHING, target.K), target)
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 1.0  # bones; held by a clamp it stays at 6 and at 68


class Mean(Backbone):
    """The mean colour of the crop."""

    channels, strides, embedding_dim = (3,), (1,), 3

    def forward(self, image: Tensor) -> tuple[Features, Tensor]:
        return (image,), image.mean((2, 3))


@pytest.mark.parametrize("root", ["wrist", "palm"])
def test_no_label_is_read_for_a_prediction(root: str) -> None:
    """Fine-tuning's own forward pass, of labels that are not there; the camera is not one."""
    contract = {**CONTRACT, "root": root, "root_depth": "refined"} | {"embedding_dim": 3}
    head = RegressionHead(hidden_dim=4, **contract)
    nn.init.normal_(head.refiner.mlp[-1].weight)
    model = PoseModel(backbone=Mean(), head=head, freeze_backbone=False)
    stage = Finetuner(model=model, optimizer=torch.optim.SGD, warmup_epochs=0).eval()
    target = labelled(3, seed=0)
    labels = ("uvz", "xyz", "bone", "granted_scale")
    without = target._replace(**{name: getattr(target, name) * torch.nan for name in labels})
    with torch.no_grad():
        for seen, unseen in zip(stage(target), stage(without), strict=True):
            assert torch.equal(seen, unseen)
        moved = target._replace(K=target.K * torch.tensor([1.5, 1.5, 1.0])[:, None])
        assert not torch.equal(stage(moved).xyz, stage(target).xyz)


def _train(target: Target, *, steps: int) -> RootDepthRefiner:
    """As a run does: batches of 16, AdamW at 1e-3, noise anew at every step."""
    torch.manual_seed(0)
    refiner = RootDepthRefiner()
    optimizer = torch.optim.AdamW(refiner.parameters(), lr=1e-3)
    for step in range(steps):
        rows = torch.randint(len(target.bone), (16,))
        batch = Target(*(field[rows] for field in target))
        pose = _with_noise(batch, seed=step)
        solved = solve_root_depth(pose, batch.K, REFERENCE_BONES["index"])
        error = refiner(pose, batch.K, solved) - batch.xyz[:, 0, 2] / batch.bone
        optimizer.zero_grad()
        error.abs().mean().backward()
        optimizer.step()
    return refiner


@pytest.mark.parametrize("truth", ["its own", "another hand's"])
def test_it_lowers_the_error_on_hands_that_it_has_not_seen(truth: str) -> None:
    """The control: taught with the depths of other hands it does not."""
    target, held_out = labelled(300, seed=0), labelled(200, seed=1)
    if truth == "another hand's":
        target = target._replace(xyz=target.xyz.roll(1, 0), bone=target.bone.roll(1, 0))
    refiner = _train(target, steps=200)
    pose = _with_noise(held_out, seed=-1)
    solved = solve_root_depth(pose, held_out.K, REFERENCE_BONES["index"])
    true = held_out.xyz[:, 0, 2] / held_out.bone
    with torch.no_grad():
        refined = refiner(pose, held_out.K, solved)
    ratio = float((refined - true).abs().mean() / (solved - true).abs().mean())
    assert ratio < 0.8 if truth == "its own" else ratio > 1
