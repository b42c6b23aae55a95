"""NT-Xent against slow loops and closed forms."""

import math

import pytest
import torch
from torch import Tensor

from handpose.objectives.nt_xent import negatives, nt_xent, whole_nt_xent
from handpose.objectives.pose_weights import Poses, SimilarityWeights, similarity_weights

# Of six pairs: views of one image each, and of two images, some of which are in several pairs.
OF_ONE_IMAGE = torch.tensor([0, 1, 2, 0, 4, 1])[:, None].repeat(1, 2)
OF_TWO_IMAGES = torch.tensor([[0, 7], [1, 2], [2, 8], [3, 7], [4, 4], [5, 0]])


def _slow_nt_xent(
    z: Tensor, identity: Tensor, temperature: float, weights: SimilarityWeights | None = None
) -> float:
    batch = len(z)
    views = [(b, v) for v in (0, 1) for b in range(batch)]
    total = 0.0
    for row, (b, v) in enumerate(views):
        anchor, others = z[b, v] / z[b, v].norm(), []
        for column, (c, w) in enumerate(views):
            similarity = float(anchor @ z[c, w] / z[c, w].norm()) / temperature
            if c == b and w != v:
                positive = similarity * (float(weights.positive[b]) if weights else 1)
            elif c == b or identity[c, w] in identity[b] or identity[b, v] in identity[c]:
                continue
            others.append(similarity * (float(weights.negative[row, column]) if weights else 1))
        total += -positive + math.log(sum(math.exp(other) for other in others))
    return total / len(views)


def _paired(count: int) -> Tensor:
    """Identities of pairs that share nothing with each other."""
    return torch.arange(count)[:, None].repeat(1, 2)


@pytest.mark.parametrize("identity", [OF_ONE_IMAGE, OF_TWO_IMAGES])
@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_nt_xent_equals_a_slow_loop(temperature: float, identity: Tensor) -> None:
    z = torch.randn(6, 2, 5, dtype=torch.float64)
    expected = _slow_nt_xent(z, identity, temperature)
    assert float(nt_xent(z, identity, temperature=temperature)) == pytest.approx(expected, abs=1e-9)
    alone = _slow_nt_xent(z, _paired(6), temperature)
    assert abs(alone - expected) > 1e-4


def test_a_mined_partner_is_nowhere_a_negative() -> None:
    """Image 1 is the partner of image 0, and 2 that of 1, which has a pair of its own."""
    are_negatives = negatives(torch.tensor([[0, 1], [1, 2], [3, 3]]))
    assert are_negatives.int().tolist() == [
        [0, 0, 1, 0, 1, 1],  # of image 0: not images 0 and 1
        [0, 0, 1, 0, 0, 1],  # of image 1: not images 0, 1 and 2
        [1, 1, 0, 1, 1, 0],
        [0, 0, 1, 0, 0, 1],
        [1, 0, 1, 0, 0, 1],  # of image 2: not images 1 and 2
        [1, 1, 0, 1, 1, 0],
    ]


@pytest.mark.parametrize("identity", [OF_ONE_IMAGE, OF_TWO_IMAGES])
def test_weighted_nt_xent_equals_a_slow_loop(identity: Tensor) -> None:
    z = torch.randn(6, 2, 5, dtype=torch.float64)
    weights = SimilarityWeights(torch.rand(6), torch.rand(12, 12))
    weighted = float(whole_nt_xent(z, identity, temperature=0.2, weights=weights))
    assert weighted == pytest.approx(_slow_nt_xent(z, identity, 0.2, weights), abs=1e-6)
    plain = float(nt_xent(z, identity, temperature=0.2))
    assert abs(weighted - plain) > 1e-3
    ones = SimilarityWeights(torch.ones(6), torch.ones(12, 12))
    assert float(whole_nt_xent(z, identity, temperature=0.2, weights=ones)) == pytest.approx(plain)


def test_similarity_weights_fall_linearly_with_the_distance() -> None:
    pose = torch.zeros(4, 2, 1)
    pose[:, 1, 0] = torch.tensor([1.0, 2.0, 4.0, 5.0])  # the first views are all at 0
    weights = similarity_weights(Poses(pose, torch.ones(4, 2, dtype=torch.bool)))
    assert weights.positive.tolist() == [1, 0.75, 0.25, 0]
    views = [0.0] * 4 + [1.0, 2.0, 4.0, 5.0]
    slow = torch.tensor([[(5 - abs(a - b)) / 5 for b in views] for a in views])
    assert torch.allclose(weights.negative, slow)


def test_unknown_and_equal_poses_have_the_weight_1() -> None:
    pose, valid = torch.randn(5, 2, 3), torch.ones(5, 2, dtype=torch.bool)
    valid[1] = False
    pose[1] = 1000  # would be the furthest
    weights = similarity_weights(Poses(pose, valid))
    assert weights.positive[1] == 1
    assert (weights.negative[[1, 6]] == 1).all()
    assert (weights.negative[:, [1, 6]] == 1).all()
    known = similarity_weights(Poses(pose[valid.all(1)], valid[valid.all(1)]))
    assert torch.equal(weights.positive[valid.all(1)], known.positive)
    equal = similarity_weights(Poses(torch.ones(5, 2, 3), torch.ones_like(valid)))
    for ones in (equal, similarity_weights(Poses(pose, torch.zeros_like(valid)))):
        assert (ones.positive == 1).all()
        assert (ones.negative == 1).all()


def test_nt_xent_of_identical_embeddings_is_the_closed_form() -> None:
    z = torch.ones(8, 2, 3)
    loss = nt_xent(z, _paired(8), temperature=0.5)
    assert float(loss) == pytest.approx(-math.log(1 / (2 * 8 - 1)), abs=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_nt_xent_stays_finite_at_a_low_temperature_in_half_precision(weighted: bool) -> None:
    z = torch.randn(16, 2, 8, dtype=torch.float16, requires_grad=True)
    known = torch.ones(16, 2, dtype=torch.bool)
    poses = Poses(torch.randn(16, 2, 4), known) if weighted else None
    nt_xent(z, _paired(16), temperature=0.01, poses=poses).backward()
    assert torch.isfinite(z.grad).all()
