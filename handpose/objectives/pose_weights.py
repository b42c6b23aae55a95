"""SiMHand's adaptive weights of similarities (arXiv 2502.15251), whole and in chunks of rows.

w = (d_max - d) / (d_max - d_min). d is the distance between two poses; d_min and d_max are those of
the batch: over its B pairs for w+, over all pairs of its 2 B views, each with itself too, for w-.
So the most distant have no weight. w is 1 if a pose is unknown or all distances are equal.

Unlike the paper, d is between the poses as they were mined. The authors' code takes the mean
distance of the joints in the two augmented views, which depends on the augmentation.

B pairs, M = 2 B views (all first views before all second views), P dimensions of a pose.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor


class Poses(NamedTuple):
    """The poses of a batch of pairs."""

    pose: Tensor  # (B, 2, P)
    valid: Tensor  # (B, 2) bool, whether the pose is known


class SimilarityWeights(NamedTuple):
    """Factors of the similarities in NT-Xent, 0 to 1."""

    positive: Tensor  # (B,)
    negative: Tensor  # (2 B, 2 B)


def similarity_weights(poses: Poses) -> SimilarityWeights:
    """Computes the weights of a batch."""
    flat, known = _by_view(poses)
    return SimilarityWeights(
        positive=positive_weights(poses),
        negative=_closeness(_distances(flat, flat), known[:, None] & known),
    )


def positive_weights(poses: Poses) -> Tensor:
    """Computes w+ (B,) of a batch."""
    return _closeness(_of_pairs(poses), poses.valid.all(1))


class NegativeWeights:
    """w- of a batch, of any rows and columns: the matrix of all views is never in memory.

    Args:
        poses: The poses of the batch.
    """

    def __init__(self, poses: Poses) -> None:
        self._flat, self._known = _by_view(poses)
        self._of_pairs = _of_pairs(poses)
        self._valid = poses.valid.all(1)
        self._longest = self._flat.new_zeros(())

    def measure(self, chunks: Iterable[slice]) -> Tensor:
        """Finds the longest distance () of these rows to views from theirs on; 0 without any.

        The furthest view of each is found by a matrix product, which is fast. Only the distance
        to it is computed without cancellation.

        Args:
            chunks: Rows, of M.
        """
        count = self._known.sum().clamp(min=1)
        flat = torch.where(self._known[:, None], self._flat, 0.0)
        flat = flat - flat.sum(0) / count
        square = flat.square().sum(1).masked_fill(~self._known, -torch.inf)
        longest = [self._longest]
        with torch.autocast(flat.device.type, enabled=False):
            for rows in chunks:
                score = torch.addmm(
                    square[rows.start :], flat[rows], flat[rows.start :].T, alpha=-2
                )
                furthest = rows.start + score.argmax(1)
                distance = torch.linalg.vector_norm(self._flat[rows] - self._flat[furthest], dim=-1)
                valid = self._known[rows] & self._known[furthest]
                longest.append(torch.where(valid, distance, 0.0).amax())
        return torch.stack(longest).amax()

    def set_longest(self, longest: Tensor) -> None:
        """Sets d_max () of the whole batch; d_min is 0, of a view with itself."""
        self._longest = longest

    def chunk(self, rows: slice) -> Tensor:
        """Computes the weights (R, M - rows.start) of these rows and the columns from theirs on."""
        others = slice(rows.start, None)
        valid = self._known[rows, None] & self._known[others]
        return self._scaled(_distances(self._flat[rows], self._flat[others]), valid)

    def of_pairs(self) -> Tensor:
        """Computes the weights (B,) of the views and their partners."""
        return self._scaled(self._of_pairs, self._valid)

    def _scaled(self, distance: Tensor, valid: Tensor) -> Tensor:
        weight = (self._longest - distance).div_(self._longest).clamp_(min=0)
        return weight.masked_fill_(~(valid & (self._longest > 0)), 1.0)


def _by_view(poses: Poses) -> tuple[Tensor, Tensor]:
    """Returns poses (M, P) in float32 and whether they are known (M,)."""
    return poses.pose.transpose(0, 1).flatten(0, 1).float(), poses.valid.T.flatten()


def _of_pairs(poses: Poses) -> Tensor:
    return torch.linalg.vector_norm(poses.pose[:, 0].float() - poses.pose[:, 1].float(), dim=-1)


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """Distances (N, M) of poses (N, P) and (M, P), without cancellation."""
    with torch.autocast(a.device.type, enabled=False):
        return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def _closeness(distance: Tensor, valid: Tensor) -> Tensor:
    """1 for the shortest valid distance, 0 for the longest, 1 for invalid ones."""
    low = distance.masked_fill(~valid, torch.inf).amin()
    high = distance.masked_fill(~valid, -torch.inf).amax()
    return torch.where(valid & (high > low), (high - distance) / (high - low), 1.0)
