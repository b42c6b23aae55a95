"""BYOL against lightly's loss, its closed form 2 - 2 cos, and its teacher."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightly.loss.negative_cosine_similarity import NegativeCosineSimilarity
from without_negatives import PAIRS, WIDTH, build, embeddings

from handpose.objectives.base import Teacher


@pytest.fixture
def views(make_settings: Callable, views_of: Callable) -> Any:
    return views_of(make_settings("rotate"), PAIRS)


def test_it_is_lightlys_between_prediction_and_target(make_settings: Callable, views: Any) -> None:
    objective = build("byol", make_settings())
    embedding, taught = embeddings(0), embeddings(1)
    objective.update_teacher(torch.tensor(0.5, dtype=torch.float64))
    with torch.no_grad():
        loss = float(objective((), embedding, views, Teacher((), taught))["loss"])
        q = objective.predictor(objective.projector(embedding.flatten(0, 1)))
        target = objective.target_projector.network(taught.flatten(0, 1))
    q, target = (x.unflatten(0, (PAIRS, 2)) for x in (q, target))
    cosine = NegativeCosineSimilarity()
    means = [cosine(q[:, 0], target[:, 1]), cosine(q[:, 1], target[:, 0])]
    assert loss == pytest.approx(2 + 2 * float(sum(means)) / 2, rel=1e-12)
    pairs = [(q[i, v], target[i, 1 - v]) for i in range(PAIRS) for v in (0, 1)]
    distances = [float((a / a.norm() - b / b.norm()).square().sum()) for a, b in pairs]
    assert loss == pytest.approx(sum(distances) / len(distances), rel=1e-9)  # eq. 2, as written


@pytest.mark.parametrize(("degrees", "loss"), [(0, 0), (60, 1), (90, 2), (180, 4)])
def test_two_less_two_cosines(
    degrees: float, loss: float, make_settings: Callable, views: Any
) -> None:
    objective = build("byol", make_settings(), plain=True)
    angle = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    vector = torch.zeros(WIDTH, dtype=torch.float64)
    vector[0] = 1
    other = torch.zeros(WIDTH, dtype=torch.float64)
    other[0], other[1] = angle.cos(), angle.sin()
    online, taught = (v.expand(PAIRS, 2, -1) for v in (3 * vector, other))
    found = objective((), online, views, Teacher((), taught))["loss"]
    assert float(found) == pytest.approx(loss, abs=1e-12)


def test_no_gradient_reaches_the_teacher(make_settings: Callable, views: Any) -> None:
    objective = build("byol", make_settings())
    taught = embeddings(1).requires_grad_()
    objective((), embeddings(), views, Teacher((), taught))["loss"].backward()
    assert taught.grad is None
    assert all(p.grad is None for p in objective.target_projector.parameters())
    assert all(p.grad is not None for p in objective.projector.parameters())


def test_its_projector_has_a_teacher_too(make_settings: Callable) -> None:
    """It starts equal, and follows with the momentum that the backbone's has."""
    objective = build("byol", make_settings())
    own, target = objective.projector, objective.target_projector.network
    before = [p.clone() for p in target.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(own.parameters(), before, strict=True))
    with torch.no_grad():
        for parameter in own.parameters():
            parameter += 1
    objective.update_teacher(torch.tensor(0.75, dtype=torch.float64))
    for old, new in zip(before, target.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.25)
