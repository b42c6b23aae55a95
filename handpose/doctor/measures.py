"""Label counts of a split, and the consistency of its labels. N hands, J = 21 joints."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from handpose.data.base import HandDataset
from handpose.data.indexed import IndexedDataset
from handpose.data.label_checks.per_source import USUAL_SIZE
from handpose.geometry.camera import project
from handpose.records import Sample
from handpose.skeleton import REFERENCE_BONES

USUAL_BONE = tuple(91 * size for size in USUAL_SIZE)  # mm
MIN_IN_BOX = 0.75  # share of the joints; below it the boxes are not around the hands
LARGE_PROJECTION_ERROR = 2.0  # px


class Overview(NamedTuple):
    """What each hand has."""

    is_left: np.ndarray  # (N,) bool
    image: np.ndarray  # (N,) int64, equal for hands of one image
    has_uv: np.ndarray  # (N,) bool: some joint is labelled in 2D
    has_xyz: np.ndarray  # (N,) bool: some joint is labelled in 3D
    has_camera: np.ndarray  # (N,) bool


class Measures(NamedTuple):
    """Over `hands` of a split; None if no hand has the labels for it."""

    hands: int
    projection_median: float | None  # px between uv and the projection of xyz
    projection_max: float | None
    in_box: float | None  # share of the labelled joints inside the hand's box
    bone: float | None  # mm, median length of the reference bone


def overview(dataset: HandDataset) -> Overview:
    """Reads the index, without pixels, or else all samples."""
    if isinstance(dataset, IndexedDataset):
        arrays, rows = dataset.index.arrays, dataset.rows
        annotation = arrays["annotation"][rows]
        return Overview(
            is_left=arrays["is_left"][rows],
            image=arrays["image"][rows].astype(np.int64),
            has_uv=np.any(arrays["uv_valid"], axis=1)[annotation],
            has_xyz=np.any(arrays["xyz_valid"], axis=1)[annotation],
            has_camera=_is_camera(arrays["K"])[annotation],
        )
    hands = (
        (s.side == "left", s.key.rpartition("#")[0], s.uv_valid.any(), s.xyz_valid.any(), s.K)
        for s in (dataset[index] for index in range(len(dataset)))
    )
    is_left, image, has_uv, has_xyz, K = map(np.array, zip(*hands, strict=True))
    images = np.unique(image, return_inverse=True)[1]
    return Overview(is_left, images, has_uv, has_xyz, _is_camera(K))


def _is_camera(K: np.ndarray) -> np.ndarray:
    """Returns (...) bool for K (..., 3, 3): whether the camera is known (not identity)."""
    return np.any(np.eye(3) != K, axis=(-2, -1))


def spread(is_left: np.ndarray, count: int) -> np.ndarray:
    """Chooses about `count` hands, evenly over the left ones and evenly over the right ones.

    Args:
        is_left: (N,) bool.
        count: number of hands; with one side only, all are of it.
    """
    sides = [places for side in (False, True) if len(places := np.flatnonzero(is_left == side))]
    each = -(-count // len(sides))
    chosen = [
        places[np.linspace(0, len(places) - 1, min(each, len(places))).astype(int)]
        for places in sides
    ]
    return np.sort(np.concatenate(chosen))


def measure(samples: Iterable[Sample], *, reference_bone: str) -> Measures:
    """Compares the labels of each hand with one another.

    Args:
        reference_bone: "index" or "middle".
    """
    count, errors, inside, bones = 0, [np.empty(0)], [np.empty(0)], []
    for sample in samples:
        count += 1
        offset = np.abs(sample.uv[sample.uv_valid] - sample.box[:2]).max(axis=1, initial=0)
        inside.append((offset <= sample.box[2] / 2).astype(float))
        if _is_camera(sample.K):
            errors.append(_projection_errors(sample))
            bones += _bone(sample, reference_bone)
    projected, contained = np.concatenate(errors), np.concatenate(inside)
    return Measures(
        hands=count,
        projection_median=float(np.median(projected)) if len(projected) else None,
        projection_max=float(projected.max()) if len(projected) else None,
        in_box=float(contained.mean()) if len(contained) else None,
        bone=float(np.median(bones)) if bones else None,
    )


def _projection_errors(sample: Sample) -> np.ndarray:
    """Returns |project(K, xyz) - uv| in px of each joint with both labels."""
    valid = sample.uv_valid & sample.xyz_valid
    return np.linalg.norm(project(sample.K, sample.xyz[valid]) - sample.uv[valid], axis=1)


def _bone(sample: Sample, reference_bone: str) -> list[float]:
    """Returns the bone's length in mm, if labelled."""
    ends = list(REFERENCE_BONES[reference_bone])
    if not sample.xyz_valid[ends].all():
        return []
    return [1000 * float(np.linalg.norm(sample.xyz[ends[1]] - sample.xyz[ends[0]]))]
