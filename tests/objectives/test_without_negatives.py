"""What vicreg, barlow_twins, simsiam and byol have in common."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from without_negatives import KINDS, PAIRS, WIDTH, build, embeddings, teacher_of


def loss_of(objective: Any, embedding: Tensor, views: Any) -> Tensor:
    return objective((), embedding, views, *teacher_of(objective, embedding.detach()))["loss"]


@pytest.fixture
def views(make_settings: Callable, views_of: Callable) -> Any:
    return views_of(make_settings("rotate"), PAIRS)


@pytest.mark.parametrize("name", KINDS)
def test_a_small_step_down_the_gradient_lowers_the_loss(
    name: str, make_settings: Callable, views: Any
) -> None:
    objective, embedding = build(name, make_settings()), embeddings().requires_grad_()
    loss = loss_of(objective, embedding, views)
    loss.backward()
    assert embedding.grad is not None
    gradients = [p.grad for p in objective.parameters() if p.requires_grad]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    assert embedding.grad.norm() > 1e-3
    step = 1e-4 * embedding.grad / embedding.grad.norm()
    # the teacher keeps what it said before
    taught = teacher_of(objective, embedding.detach())
    with torch.no_grad():
        lower = objective((), embedding - step, views, *taught)["loss"]
    assert 0 < float(loss - lower) < 3e-4 * float(embedding.grad.norm())


@pytest.mark.parametrize("name", KINDS)
def test_swapped_views_have_the_same_loss(name: str, make_settings: Callable, views: Any) -> None:
    objective, embedding = build(name, make_settings()), embeddings()
    torch.testing.assert_close(
        loss_of(objective, embedding, views), loss_of(objective, embedding.flip(1), views)
    )


@pytest.mark.parametrize("name", KINDS)
def test_the_best_of_all_losses_is_not_below_zero(
    name: str, make_settings: Callable, views: Any
) -> None:
    """So a hybrid can learn its weight."""
    assert not build(name, make_settings()).weighs_itself
    for embedding in (embeddings(), 1e3 * embeddings(), torch.ones(PAIRS, 2, WIDTH).double()):
        assert loss_of(build(name, make_settings(), plain=True), embedding, views) > -1e-12


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_loss_is_float32_under_autocast(
    name: str, dtype: torch.dtype, make_settings: Callable, views: Any
) -> None:
    """From equal projections it is the very loss without autocast."""
    objective = build(name, make_settings(), plain=True).float()
    embedding = embeddings().float()
    plain = loss_of(objective, embedding, views)
    with torch.autocast("cpu", dtype=dtype):
        mixed = loss_of(objective, embedding, views)
    assert mixed.dtype == torch.float32
    assert torch.equal(mixed, plain)
    with torch.autocast("cpu", dtype=dtype):
        whole = build(name, make_settings()).float()
        assert loss_of(whole, embedding, views).dtype == torch.float32


@pytest.mark.parametrize("name", KINDS)
def test_a_single_pair_of_a_validation_has_a_loss(
    name: str, make_settings: Callable, views_of: Callable
) -> None:
    objective = build(name, make_settings()).eval()
    views = views_of(make_settings("rotate"), 1)
    assert loss_of(objective, embeddings()[:1], views).isfinite()


@pytest.mark.parametrize("name", KINDS)
def test_it_reads_the_embedding_alone_and_takes_mined_positives(
    name: str, make_settings: Callable, views: Any
) -> None:
    objective = build(name, make_settings())
    assert not objective.reads_features
    assert objective.takes_mined_positives
    mined = views._replace(
        index=torch.stack((views.index[:, 0], views.index[:, 1].roll(1)), dim=1),
        pose=torch.rand(PAIRS, 2, 3),
        pose_valid=torch.ones(PAIRS, 2, dtype=torch.bool),
    )
    losses = [loss_of(objective, embeddings(), each) for each in (views, mined)]
    assert torch.equal(*losses)


@pytest.mark.parametrize("name", KINDS)
def test_versions_of_one_pose_are_samples_like_any_other(
    name: str, make_settings: Callable, views: Any
) -> None:
    objective, embedding = build(name, make_settings()), embeddings()
    twins = views._replace(identity=views.identity // 2)
    assert torch.equal(loss_of(objective, embedding, views), loss_of(objective, embedding, twins))
