"""The relative objective's parts, weights and standardisation."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from handpose.objectives.relative import Relative, relative_map
from handpose.records import ViewParams

CONTRACT = dict(channels=(4,), strides=(4,), embedding_dim=6, image_size=32)
WIDTHS = dict(hidden_dim=8, num_keypoints=0, decoder_width=4)


def test_loss_is_the_weighted_sum_of_the_standardised_parts(
    views_of: Callable, make_settings: Callable
) -> None:
    settings = make_settings("rotate", "random_crop", margin_range=[1.0, 2.0])
    objective = Relative(**WIDTHS, augmentation=settings, **CONTRACT)
    with torch.no_grad():
        objective.log_variance["rotation"].fill_(0.3)
    views, embedding = views_of(settings), torch.randn(6, 2, 6)
    terms = objective(((),), embedding, views)
    rotation, scale = 0.0, 0.0
    for order in ([0, 1], [1, 0]):
        params = ViewParams(*(column[:, order] for column in views.params))
        predicted, target = objective.predict(embedding[:, order]), relative_map(params, 32)
        rotation += (predicted["rotation"] - target.rotation).abs().mean() / 2
        scale += (predicted["log_scale"] - target.log_scale).abs().mean() / np.log(2.0) / 2
    expected = float(torch.exp(torch.tensor(-0.3)) * rotation + 0.3 + scale)
    assert float(terms["loss"].detach()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("switch", "part"),
    [
        ("rotate", "rotation"),
        ("crop", "shift"),
        ("random_crop", "log_scale"),
        ("colour_jitter", "colour"),
    ],
)
def test_parts_are_those_switched_on(switch: str, part: str, make_settings: Callable) -> None:
    objective = Relative(**WIDTHS, augmentation=make_settings(switch), **CONTRACT)
    assert set(objective.widths) == {part}


def test_nothing_to_predict_is_refused(make_settings: Callable) -> None:
    with pytest.raises(ValueError, match="nothing to predict"):
        Relative(**WIDTHS, augmentation=make_settings("gaussian_blur"), **CONTRACT)


def test_a_part_without_an_error_takes_no_weight_from_the_others(
    views_of: Callable, make_settings: Callable
) -> None:
    """All colours are masked, so that their part can only lower its log-variance."""
    settings = make_settings("rotate", "colour_jitter", "sobel", probability=1.0)
    objective = Relative(**WIDTHS, augmentation=settings, **CONTRACT)
    optimizer = torch.optim.Adam(objective.log_variance.parameters(), lr=0.1)
    views, embedding = views_of(settings), torch.randn(6, 2, 6)
    for _ in range(250):
        optimizer.zero_grad()
        objective(((),), embedding, views)["loss"].backward()
        optimizer.step()
    weight = (-objective.log_variance["colour"]).exp()
    assert float(weight) == pytest.approx(np.exp(7), rel=0.2)


def test_masked_colours_leave_no_gradient(views_of: Callable, make_settings: Callable) -> None:
    settings = make_settings("colour_jitter", "sobel", probability=1.0)
    objective = Relative(**WIDTHS, augmentation=settings, **CONTRACT)
    embedding = torch.randn(6, 2, 6, requires_grad=True)
    objective(((),), embedding, views_of(settings))["loss"].backward()
    assert (embedding.grad == 0).all()


def test_a_pair_in_order_is_not_the_pair_swapped(make_settings: Callable) -> None:
    objective = Relative(**WIDTHS, augmentation=make_settings("rotate"), **CONTRACT).eval()
    embedding = torch.randn(4, 2, 6)
    forth, back = objective.predict(embedding), objective.predict(embedding.flip(1))
    assert not torch.allclose(forth["rotation"], back["rotation"])
