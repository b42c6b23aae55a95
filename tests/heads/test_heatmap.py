"""Soft-argmax against drawn blobs; the head's frame and gradients."""

import pytest
import torch
from hands import CONTRACT

from handpose.geometry.soft_argmax import gaussian_heatmaps, soft_argmax
from handpose.heads.heatmap import HeatmapHead


@pytest.mark.parametrize("image_size", [64, 128])
@pytest.mark.parametrize("side", [16, 32, 64])
def test_soft_argmax_finds_a_drawn_blob(image_size: int, side: int) -> None:
    """A blob at crop px (u, v), averaged over each cell's own px, is found within 0.05 px."""
    grid = torch.arange(image_size, dtype=torch.float64)
    for u, v in ((20.3, 41.8), (33.0, 25.5), (40.6, 30.1)):
        u, v = u * image_size / 64, v * image_size / 64
        sigma = image_size / 24
        blob = torch.exp(-((grid[None] - u) ** 2 + (grid[:, None] - v) ** 2) / (2 * sigma**2))
        heatmap = torch.nn.functional.adaptive_avg_pool2d(blob[None, None], side)[0, 0]
        found = soft_argmax(heatmap / heatmap.sum(), image_size)
        assert (found - torch.tensor([u, v])).abs().max() < 0.05


def test_soft_argmax_reads_back_what_gaussian_heatmaps_wrote() -> None:
    uv = 16 + 32 * torch.rand(4, 21, 2, dtype=torch.float64)
    heatmap = gaussian_heatmaps(uv, 16, 64, 1.0)
    assert torch.allclose(heatmap.sum((2, 3)), torch.ones(4, 21, dtype=torch.float64))
    assert (soft_argmax(heatmap, 64) - uv).abs().max() < 0.01
    outside = gaussian_heatmaps(torch.full((1, 21, 2), 1e4), 16, 64, 1.0)
    assert torch.isfinite(outside).all()
    assert outside[0, 0].argmax() == 16 * 16 - 1


@pytest.mark.parametrize("stride", [2, 4, 8])
def test_heatmaps_have_the_stride_asked_for_and_sum_to_one(stride: int) -> None:
    head = HeatmapHead(width=16, stride=stride, sigma=1.0, heatmap_weight=0.0, **CONTRACT)
    features = tuple(
        torch.randn(2, c, 64 // s, 64 // s)
        for c, s in zip(CONTRACT["channels"], CONTRACT["strides"], strict=True)
    )
    K = torch.tensor([[90.0, 0, 32], [0, 90, 32], [0, 0, 1]]).expand(2, 3, 3)
    prediction = head(features, torch.randn(2, 20), K)
    assert prediction.heatmap.shape == (2, 21, 64 // stride, 64 // stride)
    assert torch.allclose(prediction.heatmap.sum((2, 3)), torch.ones(2, 21), atol=1e-5)
    assert (prediction.uvz[:, 0, 2] == 0).all()
    prediction.xyz.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in head.parameters() if p.grad is not None)


def test_shifting_the_features_shifts_the_joints() -> None:
    """One cell of the finest level is `stride` px of the crop, in u as in v."""
    head = HeatmapHead(width=16, stride=4, sigma=1.0, heatmap_weight=0.0, **CONTRACT).eval()
    finest = torch.zeros(1, 8, 16, 16)
    finest[:, :, 6, 7] = 40 * torch.randn(8, generator=torch.Generator().manual_seed(1))
    coarse = [torch.zeros(1, c, s, s) for c, s in ((12, 8), (16, 4), (20, 2))]
    before = head.predict_uvz((finest, *coarse), torch.zeros(1, 20))[1]
    right = head.predict_uvz((finest.roll(1, 3), *coarse), torch.zeros(1, 20))[1]
    down = head.predict_uvz((finest.roll(1, 2), *coarse), torch.zeros(1, 20))[1]
    inner = (..., slice(4, 10), slice(4, 11))
    assert torch.allclose(right.roll(-1, 3)[inner], before[inner], atol=1e-6)
    assert torch.allclose(down.roll(-1, 2)[inner], before[inner], atol=1e-6)
    assert before[inner].std() > 1e-6
