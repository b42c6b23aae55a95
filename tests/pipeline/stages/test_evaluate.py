"""The baseline of an evaluation: of the hands whose labels the run had, and of all."""

from types import SimpleNamespace

import numpy as np
import torch

from handpose.geometry.align import generalised_procrustes_mean
from handpose.pipeline.stages.evaluate import mean_poses

POSES = np.random.default_rng(0).normal(size=(12, 21, 3))


def _of(labelled: list[int]) -> SimpleNamespace:
    """A training split of which these hands count as labelled."""
    source = SimpleNamespace(poses=lambda own=slice(None): POSES[own])
    return SimpleNamespace(source=source, indices=np.array(labelled, dtype=int))


def test_one_is_of_the_labelled_part_and_one_of_all() -> None:
    some = [2, 3, 7]
    found = mean_poses(_of(some))
    for pose, chosen in ((found.of_run, POSES[some]), (found.of_all, POSES)):
        assert torch.equal(pose, generalised_procrustes_mean(torch.from_numpy(chosen)))
    assert not torch.allclose(found.of_run, found.of_all, atol=0.1)


def test_a_part_without_a_complete_hand_has_none() -> None:
    found = mean_poses(_of([]))
    assert found.of_run.shape == (0, 3)
    assert found.of_all.shape == (21, 3)
