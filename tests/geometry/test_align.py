"""Procrustes against FreiHAND's official code, known similarities and degenerate input."""

import numpy as np
import torch

from handpose.geometry.align import generalised_procrustes_mean, procrustes


def _official_alignment(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """FreiHAND's `align_w_scale`, step by step (it may reflect)."""
    t1, t2 = truth.mean(0), prediction.mean(0)
    a, b = truth - t1, prediction - t2
    s1, s2 = np.linalg.norm(a) + 1e-8, np.linalg.norm(b) + 1e-8
    u, w, vt = np.linalg.svd((b / s2).T @ (a / s1))
    return (b / s2) @ (u @ vt) * w.sum() * s1 + t1


def test_with_reflection_equals_the_official_code(rng: np.random.Generator) -> None:
    truth, prediction = rng.normal(size=(2, 50, 21, 3))
    expected = np.stack([_official_alignment(t, p) for t, p in zip(truth, prediction, strict=True)])
    source, target = torch.from_numpy(prediction), torch.from_numpy(truth)
    aligned = procrustes(source, target, reflection=True).apply(source)
    assert np.abs(aligned.numpy() - expected).max() < 1e-6


def test_recovers_a_similarity_and_refuses_a_mirror(rng: np.random.Generator) -> None:
    points = torch.from_numpy(rng.normal(size=(9, 21, 3)))
    rotation = torch.linalg.qr(torch.from_numpy(rng.normal(size=(9, 3, 3))))[0]
    rotation = rotation * torch.det(rotation)[:, None, None]
    moved = 2.5 * points @ rotation + 7
    assert (procrustes(points, moved).apply(points) - moved).abs().max() < 1e-9
    mirrored = moved * torch.tensor([-1.0, 1.0, 1.0])
    assert (procrustes(points, mirrored).apply(points) - mirrored).abs().max() > 0.1
    reflected = procrustes(points, mirrored, reflection=True).apply(points)
    assert (reflected - mirrored).abs().max() < 1e-9


def test_unlabelled_joints_do_not_count_even_as_nan(rng: np.random.Generator) -> None:
    source, target = torch.from_numpy(rng.normal(size=(2, 4, 21, 3)))
    valid = torch.from_numpy(rng.random((4, 21)) < 0.6)
    few = [
        procrustes(s[None, v], t[None, v]) for s, t, v in zip(source, target, valid, strict=True)
    ]
    target[~valid] = torch.nan
    found = procrustes(source, target, valid)
    assert torch.allclose(found.rotation, torch.cat([f.rotation for f in few]))
    assert torch.allclose(found.scale, torch.cat([f.scale for f in few]))


def test_alignment_keeps_its_precision_under_autocast(rng: np.random.Generator) -> None:
    source, target = (torch.from_numpy(a).float() for a in rng.normal(size=(2, 4, 21, 3)))
    expected = procrustes(source, target).apply(source)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(procrustes(source, target).apply(source), expected)
        half = procrustes(source.bfloat16(), target.bfloat16())
    assert half.rotation.dtype == torch.float32


def test_degenerate_predictions_give_the_mean() -> None:
    target = torch.randn(2, 21, 3, dtype=torch.float64)
    aligned = procrustes(torch.zeros_like(target), target).apply(torch.zeros_like(target))
    assert torch.allclose(aligned, target.mean(1, keepdim=True).expand_as(target))


def test_generalised_mean_of_moved_copies_is_the_shape(rng: np.random.Generator) -> None:
    shape = torch.from_numpy(rng.normal(size=(21, 3)))
    rotation = torch.linalg.qr(torch.from_numpy(rng.normal(size=(40, 3, 3))))[0]
    rotation = rotation * torch.det(rotation)[:, None, None]
    copies = shape @ rotation + torch.from_numpy(rng.normal(size=(40, 1, 3)))
    mean = generalised_procrustes_mean(copies)[None]
    assert (procrustes(mean, shape[None]).apply(mean) - shape).abs().max() < 1e-6
    assert (copies.mean(0) - copies.mean((0, 1)) - shape + shape.mean(0)).norm() > 1
