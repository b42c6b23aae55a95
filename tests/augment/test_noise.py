"""The noise of views is normal, of the stated deviation, and independent between views."""

import hashlib
from collections.abc import Callable

import numpy as np
import pytest

from handpose.augment.appearance import render, sample_appearance
from handpose.augment.noise import OFFSETS, noise_bank, noise_offset, unit_noise

SIZE = 64


def _quantiles(numbers: np.ndarray) -> np.ndarray:
    return np.quantile(numbers, [0.0013, 0.0228, 0.1587, 0.5, 0.8413, 0.9772, 0.9987])


def test_the_bank_is_standard_normal() -> None:
    bank = noise_bank(SIZE).astype(float)
    assert bank.mean() == pytest.approx(0, abs=4e-3)
    assert bank.std() == pytest.approx(1, abs=3e-3)
    assert _quantiles(bank) == pytest.approx([-3, -2, -1, 0, 1, 2, 3], abs=0.03)


def test_the_bank_is_the_same_on_every_machine_and_for_every_size() -> None:
    """Its digest is of whole thousandths, which no last bit of a logarithm changes."""
    bank = noise_bank(SIZE)
    assert np.array_equal(noise_bank(32), bank[: OFFSETS + 3 * 32 * 32])
    digest = hashlib.sha256(np.floor(1e3 * bank[:10_000]).astype("<i4").tobytes()).hexdigest()
    assert digest[:16] == "d353b88a0c344bc5"
    with pytest.raises(ValueError, match="read-only"):
        bank[0] = 0


def test_slices_reach_the_whole_bank_and_never_beyond() -> None:
    assert (noise_offset(0), noise_offset(2**31 - 1)) == (0, OFFSETS - 1)
    last = unit_noise(2**31 - 1, SIZE)
    assert np.array_equal(last.ravel(), noise_bank(SIZE)[OFFSETS - 1 : -1])


def test_the_offset_does_not_depend_on_the_grey_of_a_cut_out() -> None:
    assert {noise_offset(seed) for seed in range(256)} == {0}


def test_noise_is_independent_between_views_and_channels() -> None:
    """Correlations of 400 views at equal px are those of independent numbers."""
    rng, count = np.random.default_rng(0), 400
    views = np.stack([unit_noise(int(rng.integers(2**31)), SIZE) for _ in range(count)])
    values = np.concatenate([*views.reshape(count, -1, 3).transpose(0, 2, 1)], dtype=float)
    correlation = np.corrcoef(values)[np.triu_indices(3 * count, 1)] * SIZE
    assert correlation.std() == pytest.approx(1, abs=0.02)
    assert np.abs(correlation).max() < 6.5  # 6 deviations or more: once in 500 million pairs
    at_a_px = np.corrcoef(views[:, 10, 20].T)[np.triu_indices(3, 1)]
    assert np.abs(at_a_px).max() < 4 / np.sqrt(count)
    neighbours = np.corrcoef(views[:, :, :-1].ravel(), views[:, :, 1:].ravel())[0, 1]
    assert abs(neighbours) < 4 / np.sqrt(views.size / 20)


@pytest.mark.parametrize("noise", ["symmetric", "one_sided"])
def test_views_have_noise_of_the_stated_moments(noise: str, make_settings: Callable) -> None:
    """Of rounded normal numbers, over views of different seeds; one-sided: its positive half."""
    settings = make_settings("gaussian_noise", noise=noise, noise_std=25, probability=1.0)
    rng, grey = np.random.default_rng(1), np.full((SIZE, SIZE, 3), 120, np.uint8)
    views = np.stack([render(grey, sample_appearance(rng, settings, SIZE)) for _ in range(100)])
    added = views.astype(float) - 120
    whole = np.arange(-120, 121)
    density = np.exp(-0.5 * (whole / 25) ** 2)
    kept = whole if noise == "symmetric" else np.maximum(whole, 0)
    mean = np.average(kept, weights=density)
    std = np.sqrt(np.average((kept - mean) ** 2, weights=density))
    assert (added.mean(), added.std()) == pytest.approx((mean, std), abs=0.1)
    assert (added.min() == 0) == (noise == "one_sided")
    assert len({view.tobytes() for view in views}) == 100


def test_a_view_without_noise_ignores_its_seed(make_settings: Callable) -> None:
    view = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    look = sample_appearance(np.random.default_rng(0), make_settings("colour_jitter"), SIZE)
    assert np.array_equal(render(view, look), render(view, look._replace(noise_seed=7 << 11)))
