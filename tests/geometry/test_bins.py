"""Bins against the crop's pixel grid: round trips, and what lies outside."""

import pytest
import torch

from handpose.geometry.bins import (
    bin_centres,
    expected_value,
    gaussian_bins,
    likeliest_value,
    pixel_span,
)


def test_bin_centres_lie_on_the_pixel_grid() -> None:
    """One bin per px: the pixels' centres. Two: a quarter px to each side of them."""
    assert torch.equal(bin_centres(pixel_span(4), 4), torch.tensor([0.0, 1, 2, 3]))
    halves = torch.tensor([-0.25, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.25])
    assert torch.equal(bin_centres(pixel_span(4), 8), halves)
    assert torch.equal(bin_centres(pixel_span(4), 2), torch.tensor([0.5, 2.5]))
    assert torch.equal(bin_centres((-3.0, 3.0), 3), torch.tensor([-2.0, 0, 2]))


@pytest.mark.parametrize("count", [32, 64, 128, 192])
@pytest.mark.parametrize("span", [pixel_span(64), (-3.0, 3.0)])
def test_what_is_written_is_read_back(span: tuple[float, float], count: int) -> None:
    """The mean finds a value between two centres; the likeliest bin is at most half a bin off."""
    low, high = span
    width = (high - low) / count
    value = torch.linspace(low + 8 * width, high - 8 * width, 101, dtype=torch.float64)
    written = gaussian_bins(value, span, count, sigma=1.5)
    assert torch.allclose(written.sum(-1), torch.ones_like(value))
    assert (expected_value(written, span) - value).abs().max() < 1e-3 * width
    off = (likeliest_value(written, span) - value).abs().max()
    assert 0.2 * width < off <= 0.5001 * width


def test_a_value_outside_has_its_mass_at_the_nearest_end() -> None:
    span = pixel_span(32)
    outside = gaussian_bins(torch.tensor([-1e4, -0.5, 31.5, 1e4]), span, 64, sigma=2.0)
    assert outside.isfinite().all()
    assert outside.argmax(-1).tolist() == [0, 0, 63, 63]
    assert torch.equal(outside[0], outside[1])
    assert torch.equal(outside[2], outside[3])
    read = expected_value(outside, span)
    assert (read[:2] < 2).all()
    assert (read[2:] > 29).all()


def test_the_mean_is_differentiable_and_the_likeliest_is_not() -> None:
    logits = torch.randn(3, 16, requires_grad=True)
    assert expected_value(logits.softmax(-1), (0.0, 1.0)).requires_grad
    assert not likeliest_value(logits.softmax(-1), (0.0, 1.0)).requires_grad
