"""SimSiam against lightly's loss, a slow version, and the gradient that is stopped."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightly.loss.negative_cosine_similarity import NegativeCosineSimilarity
from torch import Tensor, nn
from without_negatives import PAIRS, WIDTH, build, embeddings


@pytest.fixture
def views(make_settings: Callable, views_of: Callable) -> Any:
    return views_of(make_settings("rotate"), PAIRS)


def slow_cosine(a: Tensor, b: Tensor) -> float:
    product = sum(float(x) * float(y) for x, y in zip(a, b, strict=True))
    return product / (float((a**2).sum()) * float((b**2).sum())) ** 0.5


def test_it_is_lightlys_and_that_of_the_equations(make_settings: Callable, views: Any) -> None:
    """One more than the paper's, which adds the two halves."""
    objective = build("simsiam", make_settings())
    embedding = embeddings()
    with torch.no_grad():
        loss = float(objective((), embedding, views)["loss"])
        z = objective.projector(embedding.flatten(0, 1))
        p = objective.predictor(z).unflatten(0, (PAIRS, 2))
        z = z.unflatten(0, (PAIRS, 2))
    cosine = NegativeCosineSimilarity()
    half = 0.5 * (cosine(p[:, 0], z[:, 1]) + cosine(p[:, 1], z[:, 0]))
    assert loss == pytest.approx(1 + float(half), rel=1e-12)
    slow = [slow_cosine(p[i, v], z[i, 1 - v]) for i in range(PAIRS) for v in (0, 1)]
    assert loss == pytest.approx(1 - sum(slow) / len(slow), rel=1e-9)


def test_equal_opposite_and_orthogonal_predictions(make_settings: Callable, views: Any) -> None:
    objective = build("simsiam", make_settings(), plain=True)
    row = torch.eye(WIDTH, dtype=torch.float64)[:1].expand(PAIRS, -1)
    for second, loss in ((4 * row, 0), (-row, 2), (row.roll(1, 1), 1)):
        found = objective((), torch.stack((row, second), dim=1), views)["loss"]
        assert float(found) == pytest.approx(loss, abs=1e-12)


def test_no_gradient_flows_through_the_target(make_settings: Callable, views: Any) -> None:
    """With a predictor whose output does not depend on its input, none is left at all."""
    objective = build("simsiam", make_settings(), plain=True)

    class Constant(nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            return 0 * z + 1

    objective.predictor = Constant()
    embedding = embeddings().requires_grad_()
    objective((), embedding, views)["loss"].backward()
    assert embedding.grad is not None
    assert embedding.grad.abs().max() == 0
    objective.predictor = nn.Identity()
    objective((), embedding, views)["loss"].backward()
    # of p in -cos(p, z) alone: z is a constant
    p, z = embeddings().requires_grad_(), embeddings().flip(1)
    (-torch.cosine_similarity(p, z, dim=-1).mean()).backward()
    torch.testing.assert_close(embedding.grad, p.grad)
