"""Positives from other images: for each hand the hands in the most similar poses.

As SiMHand has it (Lin et al., ICLR 2025, arXiv 2502.15251): 2D joints of every image, by any
detector, reduced by PCA; the nearest neighbour, of another video, is the positive. A pose is here
that of a right hand, moved to the mean of its joints and scaled to length 1. Its rotation stays:
the views of a pair are compared in the frames of their images, where a hand that points elsewhere
looks different.

N samples, J = 21 joints, P dimensions of a pose, k neighbours.
"""

import logging
import time
from typing import NamedTuple

import numpy as np

from handpose.data.base import HandDataset, Joints
from handpose.data.neighbours import nearest
from handpose.data.predictions import read_predictions

_log = logging.getLogger(__name__)


class Mined(NamedTuple):
    """The partners of a split's samples, and their poses."""

    partners: np.ndarray  # (N, k) int64, nearest first; without any: the sample itself
    distance: np.ndarray  # (N, k) float32: of their poses; 0 from a sample to itself
    pose: np.ndarray  # (N, P) float32
    pose_valid: np.ndarray  # (N,) bool: all joints are known, else the pose is 0

    def draw(self, rng: np.random.Generator, index: int) -> int:
        """One of the partners of a sample, each equally likely."""
        return int(self.partners[index, rng.integers(self.partners.shape[1])])


def mine(
    source: HandDataset,
    *,
    joints: str,
    num_dims: int,
    neighbours: int,
    exclude: str,
    weighted: bool,
) -> Mined:
    """Partners for all samples of a split, from the same split.

    Args:
        source: the split; its pictures are not read, as far as it knows its labels otherwise.
        joints: "given" for the source's labels, or a folder of predictions (see `predictions`).
        num_dims: P of the PCA; distances beyond it are not seen.
        neighbours: k; where there are fewer, they are repeated.
        exclude: what no partner shares with its sample: "recording" (a video or session, and so
            the pose; see `HandDataset.recordings`), "identity" (the pose in another picture; see
            `HandDataset.identities`), or "none" but the sample itself.
        weighted: whether the poses come along, by which the loss weighs similarities; else P = 0.

    Raises:
        ValueError: predictions that do not fit, or no sample of a whole split has a partner.
    """
    start = time.monotonic()
    _log.info("mining the positives of %s, %s", source.name, source.split)
    labels = source.joints()
    if joints != "given":
        uv, valid = read_predictions(joints, source)
        labels = Joints(uv, valid, labels.is_left)
    pose, usable = pose_space(labels, num_dims)
    rows = np.flatnonzero(usable)
    found, distances = nearest(pose[rows], _kept_apart(source, exclude)[rows], neighbours)
    mined = Mined(
        partners=np.repeat(np.arange(len(pose))[:, None], neighbours, axis=1),
        distance=np.zeros((len(pose), neighbours), dtype=np.float32),
        pose=pose,
        pose_valid=usable,
    )
    has_any = found[:, 0] >= 0
    mined.partners[rows[has_any]] = rows[found[has_any]]
    mined.distance[rows[has_any]] = distances[has_any]
    _report(source, mined, joints, int(has_any.sum()), time.monotonic() - start)
    return mined if weighted else mined._replace(pose=pose[:, :0])


def _kept_apart(source: HandDataset, exclude: str) -> np.ndarray:
    """(N,) int64: no two samples with the same number are partners."""
    if exclude == "none":
        return np.arange(len(source))
    return np.asarray(source.recordings if exclude == "recording" else source.identities)


def _report(source: HandDataset, mined: Mined, joints: str, count: int, seconds: float) -> None:
    """Says how near the partners are; refuses a split of which no sample has any."""
    where = f"{source.name}, {source.split}"
    if count == 0 and source.max_samples is None:
        raise ValueError(
            f"pretrain.positives=mined: no hand of {where} has a partner: "
            f"{int(mined.pose_valid.sum())} of {len(mined.pose)} have all 21 joints, which "
            f"pretrain.mining.joints={joints} names, and none of those may be another's. Give the "
            "folder of a detector's joints, or exclude less with pretrain.mining.exclude"
        )
    rows = np.flatnonzero(mined.partners[:, 0] != np.arange(len(mined.partners)))
    others = np.roll(rows, len(rows) // 2)
    chance = np.linalg.norm(mined.pose[rows] - mined.pose[others], axis=1)
    _log.info(
        "mined positives of %s in %.1f s: %d of %d samples have partners (the others keep "
        "themselves), at a median distance of %.3f radii of a hand; any two hands: %.3f",
        where,
        seconds,
        count,
        len(mined.pose),
        np.median(mined.distance[rows]) if count else np.nan,
        np.median(chance) if count else np.nan,
    )


def pose_space(joints: Joints, num_dims: int) -> tuple[np.ndarray, np.ndarray]:
    """Poses (N, P) float32 and which are known (N,) bool; the others are 0.

    The distance of two poses is the root of the mean square over joints, in units of the hand's
    own radius (of the same kind about the joints' mean), as far as P components show it.
    """
    uv = joints.uv.astype(np.float64)
    usable = joints.valid.all(axis=1)
    uv[~usable] = 0
    uv -= uv.mean(axis=1, keepdims=True)
    uv[joints.is_left, :, 0] *= -1
    size = np.linalg.norm(uv, axis=(1, 2))
    usable &= size > 1e-6  # px
    flat = (uv / np.maximum(size, 1e-6)[:, None, None]).reshape(len(uv), -1)
    flat[usable] -= flat[usable].sum(axis=0) / max(1, usable.sum())
    _, axes = np.linalg.eigh(flat[usable].T @ flat[usable])  # variances ascending
    pose = (flat @ axes[:, ::-1][:, :num_dims]).astype(np.float32)
    return np.where(usable[:, None], pose, np.float32(0)), usable
