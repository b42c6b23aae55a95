"""Mines positives from other images: the hands in the most similar poses.

As in SiMHand (Lin et al., ICLR 2025, arXiv 2502.15251): the 2D joints of every image, reduced by
PCA; the positive is the nearest neighbour from another video. A pose is that of a right hand,
centred at the mean of its joints and scaled to length 1. It keeps its rotation, because the views
of a pair are compared in the frames of their images.

N samples, J = 21 joints, P dimensions of a pose, k neighbours.
"""

import logging
import time
from typing import NamedTuple

import numpy as np
from scipy.spatial import KDTree

from handpose.data.base import HandDataset, Joints
from handpose.data.positives.joint_files import read_predictions

_log = logging.getLogger(__name__)
# A point with more excluded neighbours than this is looked up among the others only.
_MOST_EXCLUDED = 32
_ROWS = 1 << 14  # looked up at a time


class Mined(NamedTuple):
    """The partners of a split's samples, and their poses."""

    partners: np.ndarray  # (N, k) int64, nearest first; without any: the sample itself
    distance: np.ndarray  # (N, k) float32: of their poses; 0 from a sample to itself
    pose: np.ndarray  # (N, P) float32
    pose_valid: np.ndarray  # (N,) bool: all joints are known, else the pose is 0

    def draw(self, rng: np.random.Generator, index: int) -> int:
        """Return a random partner of a sample."""
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
    """Find partners for all samples of a split, from the same split.

    Args:
        source: the split; its images are not read if it knows its labels without them.
        joints: "given" for the source's labels, or the place of predictions (see `joint_places`).
        num_dims: P of the PCA.
        neighbours: k; if there are fewer, they are repeated.
        exclude: partners to exclude: "recording" (same video or session; see
            `HandDataset.capture_groups`), "identity" (same pose in another image; see
            `HandDataset.identities`), or "none" (only the sample itself).
        weighted: return the poses too, by which the loss weighs similarities; else P = 0.

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
    """Return (N,) int64 numbers; samples with equal numbers are no partners."""
    if exclude == "none":
        return np.arange(len(source))
    return np.asarray(source.capture_groups if exclude == "recording" else source.identities)


def _report(source: HandDataset, mined: Mined, joints: str, count: int, seconds: float) -> None:
    """Log the distance of the partners; refuse a split without any."""
    where = f"{source.name}, {source.split}"
    if count == 0 and source.max_samples is None:
        raise ValueError(
            f"pretrain.positives=mined: no hand of {where} has a partner: "
            f"{int(mined.pose_valid.sum())} of {len(mined.pose)} have all 21 joints, which "
            f"pretrain.mining.joints={joints} names, and none of those may be another's. Give the "
            "place of a detector's joints, or exclude less with pretrain.mining.exclude"
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
    """Compute poses whose distance is the RMS over joints in units of the hand's own radius.

    Args:
        joints: of N hands.
        num_dims: P, principal components to keep.

    Returns:
        Poses (N, P) float32, and which are known (N,) bool; the others are 0.
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


def nearest(point: np.ndarray, apart: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest points with another number in `apart`: exact, by k-d trees.

    Args:
        point: (M, P).
        apart: (M,) int; points of one number are not each other's neighbours.
        count: neighbours of each.

    Returns:
        Places (M, count) int64 and distances (M, count) float32, nearest first; fewer than `count`
        are repeated in turn, and -1 and infinity if there is none.
    """
    places = np.full((len(point), count), -1)
    distances = np.full((len(point), count), np.inf, dtype=np.float32)
    if len(point):
        _among_all(point, apart, places, distances)
    short = np.flatnonzero((places < 0).any(axis=1))
    for number in np.unique(apart[short]):
        others = np.flatnonzero(apart != number)
        if len(others):
            rows = short[apart[short] == number]
            order = range(1, min(count, len(others)) + 1)
            distance, place = KDTree(point[others]).query(point[rows], k=order, workers=-1)
            column = np.arange(count) % len(order)
            places[rows], distances[rows] = others[place][:, column], distance[:, column]
    return places, distances


def _among_all(
    point: np.ndarray, apart: np.ndarray, places: np.ndarray, distances: np.ndarray
) -> None:
    """Fill in the allowed ones of each point's nearest; fewer if most are excluded."""
    count, most_excluded = places.shape[1], int(np.unique(apart, return_counts=True)[1].max())
    tree = KDTree(point)
    order = range(1, min(len(point), count + min(most_excluded, _MOST_EXCLUDED)) + 1)
    for start in range(0, len(point), _ROWS):
        rows = slice(start, start + _ROWS)
        distance, place = tree.query(point[rows], k=order, workers=-1)
        excluded = apart[place] == apart[rows, None]
        first = np.argsort(excluded, axis=1, kind="stable")[:, :count]
        place[excluded], distance[excluded] = -1, np.inf
        width = first.shape[1]
        places[rows, :width] = np.take_along_axis(place, first, axis=1)
        distances[rows, :width] = np.take_along_axis(distance, first, axis=1)
