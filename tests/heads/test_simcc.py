"""The SimCC head: its frame, its targets, its confidence, and that its loss finds the joints."""

import math

import pytest
import torch
from hands import CONTRACT, CROP, Fixed, labelled

from handpose.geometry.bins import gaussian_bins, pixel_span
from handpose.heads.base import Head
from handpose.heads.confidence import NEAR_SIDES, bins_near
from handpose.heads.simcc import SimCCHead
from handpose.records import Prediction, Target
from handpose.skeleton import NUM_JOINTS

Z = (-3.0, 3.0)


def make_head(**changed: object) -> SimCCHead:
    """With the factors of the bins, which are 1 before training."""
    head = SimCCHead(**{"width": 8, "z_bins": 96, **CONTRACT, **changed})
    for line in head.lines:
        torch.nn.init.normal_(line.layers[-1].weight, std=0.1)
    return head


def features(count: int) -> tuple[torch.Tensor, ...]:
    sizes = zip(CONTRACT["channels"], CONTRACT["strides"], strict=True)
    return tuple(torch.randn(count, c, CROP // s, CROP // s) for c, s in sizes)


def told(head: Head, target: Target, *, split: int = 2, z_bins: int = 96) -> Prediction:
    """The prediction whose distributions are those of the target."""
    own = head.own_target(target)
    span, across = pixel_span(CROP), CROP * split
    parts = [
        gaussian_bins(own.uvz[..., 0], span, across, 4.0),
        gaussian_bins(own.uvz[..., 1], span, across, 4.0),
        gaussian_bins(own.uvz[..., 2], Z, z_bins, 4.0),
    ]
    fixed = Fixed(own.uvz, root="palm" if head.about_palm else "wrist")
    log_bins = torch.cat(parts, -1).clamp(min=1e-30).log()
    return fixed((), torch.empty(0), target.K)._replace(log_bins=log_bins)


@pytest.mark.parametrize("split", [1, 2, 3])
@pytest.mark.parametrize("decode", ["mean", "likeliest"])
def test_distributions_sum_to_one_and_reach_every_weight(split: int, decode: str) -> None:
    head = make_head(split=split, decode=decode)
    target = labelled(3, seed=0)
    prediction = head(features(3), torch.randn(3, 20), target.K)
    parts = prediction.log_bins.exp().split([CROP * split, CROP * split, 96], dim=-1)
    for part in parts:
        assert torch.allclose(part.sum(-1), torch.ones(3, NUM_JOINTS), atol=1e-5)
    inside = (prediction.own_uvz[..., :2] > -0.5) & (prediction.own_uvz[..., :2] < CROP - 0.5)
    assert inside.all()
    assert prediction.heatmap.shape == prediction.log_scale.shape == (3, 0)
    assert prediction.confidence.shape == (3, NUM_JOINTS)
    assert not prediction.confidence.requires_grad
    head.loss(prediction, target)["loss"].backward()
    reached = [p.grad for p in head.parameters()]
    assert all(g is not None and g.isfinite().all() and g.any() for g in reached)


@pytest.mark.parametrize("axis", [0, 1])
def test_shifting_the_features_shifts_the_joints(axis: int) -> None:
    """One cell of the finest level is `stride` px of the crop, in u as in v, and no other axis."""
    torch.manual_seed(0)
    head = make_head().eval()
    finest = torch.zeros(1, 8, 16, 16)
    finest[:, :, 7, 8] = 40 * torch.randn(8, generator=torch.Generator().manual_seed(1))
    coarse = [torch.zeros(1, c, s, s) for c, s in ((12, 8), (16, 4), (20, 2))]
    shifted = finest.roll(1, 3 - axis)
    before, after = (
        head.predict_uvz((level, *coarse), torch.zeros(1, 20))[1][..., : 4 * CROP].chunk(2, -1)
        for level in (finest, shifted)
    )
    inner, per_cell = slice(40, 88), 8
    moved = after[axis].log_softmax(-1).roll(-per_cell, -1)
    contrast = [part - part.mean(-1, keepdim=True) for part in (before[axis], moved)]
    # A border cell in the softmax changes all by one constant.
    difference = (contrast[0] - contrast[1])[..., inner]
    assert (difference - difference.mean(-1, keepdim=True)).abs().max() < 1e-4
    assert torch.allclose(before[1 - axis], after[1 - axis], atol=1e-4)
    assert before[axis][..., inner].std() > 1e-3


def test_the_loss_is_least_for_the_distributions_of_the_target() -> None:
    """Cross-entropy of a distribution with itself is its entropy, log(sigma sqrt(2 pi e))."""
    head, target = make_head(), labelled(4, seed=1)
    centred = target._replace(uvz=target.uvz.clamp(20, 40) * torch.tensor([1, 1, 0.0]))
    entropy = math.log(4 * math.sqrt(2 * math.pi * math.e))
    terms = head.loss(told(head, centred), centred)
    assert float(terms["loss_bins_uv"]) == pytest.approx(entropy, abs=1e-3)
    assert float(terms["loss_bins_z"]) == pytest.approx(entropy, abs=1e-3)
    other = centred._replace(uvz=centred.uvz + torch.tensor([3.0, -3.0, 0.4]))
    wrong = head.loss(told(head, other), centred)
    # KL of two Gaussians of one width: half the square of their distance in deviations.
    assert float(wrong["loss_bins_uv"]) == pytest.approx(entropy + (6 / 4) ** 2 / 2, abs=1e-2)
    assert float(wrong["loss_bins_z"]) == pytest.approx(entropy + (0.4 * 16 / 4) ** 2 / 2, abs=1e-2)


@pytest.mark.parametrize("root", ["wrist", "palm"])
def test_its_own_root_is_what_the_bins_are_pulled_to(root: str) -> None:
    target = labelled(3, seed=3)
    head = make_head(root=root)
    other = make_head(root="palm" if root == "wrist" else "wrist")
    right, wrong = (head.loss(told(h, target), target)["loss_bins_uv"] for h in (head, other))
    assert right < wrong - 0.005


def test_missing_labels_have_no_part_in_the_loss() -> None:
    """2D-only hands teach u and v; nothing is NaN without any label."""
    target = labelled(3, seed=2)
    nothing = torch.zeros_like(target.z_valid)
    flat = target._replace(z_valid=nothing, xyz_valid=nothing, xyz=0 * target.xyz)
    head = make_head()
    prediction = head(features(3), torch.randn(3, 20), target.K)
    terms = head.loss(prediction, flat)
    assert float(terms["loss_bins_z"]) == float(terms["loss_z"]) == 0
    assert float(terms["loss_bins_uv"].detach()) > 0
    changed = flat._replace(uvz=flat.uvz + torch.tensor([0, 0, 5.0]))
    assert torch.equal(head.loss(prediction, changed)["loss"], terms["loss"])
    empty = flat._replace(uv_valid=nothing)
    loss = head.loss(head(features(3), torch.randn(3, 20), target.K), empty)["loss"]
    loss.backward()
    assert float(loss.detach()) == 0
    assert all(p.grad is None or not p.grad.any() for p in head.parameters())


def test_a_joint_outside_the_crop_is_pulled_to_its_border() -> None:
    """And so is a z outside the range; neither is NaN."""
    head, target = make_head(), labelled(2, seed=0)
    far = target._replace(uvz=torch.tensor([1e4, -1e4, 50.0]).expand(2, NUM_JOINTS, 3))
    border = target._replace(uvz=torch.tensor([CROP - 0.5, -0.5, 3.0]).expand(2, NUM_JOINTS, 3))
    prediction = head(features(2), torch.randn(2, 20), target.K)
    terms, at_border = (head.loss(prediction, truth) for truth in (far, border))
    for name in ("loss_bins_uv", "loss_bins_z"):
        assert torch.equal(terms[name], at_border[name])
        assert terms[name].isfinite()


def test_confidence_is_the_mass_near_the_answer() -> None:
    """The slow, obvious version, at any number of bins."""
    u, v = (torch.randn(2, 3, n).log_softmax(-1) for n in (64, 96))
    uv = torch.tensor([[[20.0, 11.0], [63.0, 0.0], [31.5, 40.0]]]).repeat(2, 1, 1)
    found = bins_near(u, v, uv, 32)
    for row in range(2):
        for joint in range(3):
            masses = []
            for log_bins, place in ((u, uv[row, joint, 0]), (v, uv[row, joint, 1])):
                count = log_bins.shape[-1]
                centres = [(i + 0.5) * 32 / count - 0.5 for i in range(count)]
                near = [abs(c - float(place)) <= NEAR_SIDES * 32 for c in centres]
                masses.append(float((log_bins[row, joint].exp() * torch.tensor(near)).sum()))
            assert float(found[row, joint]) == pytest.approx(masses[0] * masses[1], abs=1e-6)


def test_a_sharp_distribution_is_sure_and_a_flat_one_is_not() -> None:
    span, uv = pixel_span(CROP), torch.tensor([[[20.0, 40.0]]])
    u, v = (gaussian_bins(uv[..., axis], span, 128, 2.0).log() for axis in (0, 1))
    flat = torch.full((1, 1, 128), 1 / 128).log()
    assert float(bins_near(u, v, uv, CROP)) > 0.95
    assert float(bins_near(flat, flat, uv, CROP)) == pytest.approx((2 * NEAR_SIDES) ** 2, rel=0.2)
    assert float(bins_near(u, v, uv + 10, CROP)) < 0.01


def test_by_the_likeliest_bin_only_the_cross_entropy_teaches() -> None:
    target = labelled(3, seed=0)
    head = make_head(decode="likeliest", bins_weight=0.0)
    prediction = head(features(3), torch.randn(3, 20), target.K)
    head.loss(prediction, target)["loss"].backward()
    assert not any(p.grad.any() for p in head.parameters() if p.grad is not None)
    places = prediction.own_uvz[..., :2] * 2 + 0.5
    assert torch.allclose(places, places.round()), "centres of half pixels"
    with pytest.raises(ValueError, match=r"head\.decode=median: expected mean or likeliest"):
        make_head(decode="median")
