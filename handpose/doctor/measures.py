"""Labels held against each other, over a sample of hands. J = 21 joints."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from handpose.data.plausibility.sources import USUAL_SIZE
from handpose.geometry.camera import project
from handpose.records import Sample
from handpose.skeleton import REFERENCE_BONES

USUAL_BONE = tuple(91 * size for size in USUAL_SIZE)  # mm
LEAST_IN_BOX = 0.75  # of the joints: below it the boxes are not about the hands
LARGE_PROJECTION_ERROR = 2.0  # px


class Measures(NamedTuple):
    """Over `hands` of a split; None where no hand has the labels that it takes."""

    hands: int
    projection_median: float | None  # px between uv and the projection of xyz
    projection_max: float | None
    in_box: float | None  # share of the labelled joints that lie in the hand's box
    bone: float | None  # mm, median length of the reference bone


def measure(samples: Iterable[Sample], *, reference_bone: str) -> Measures:
    """Holds the labels of some samples against each other."""
    count, errors, inside, bones = 0, [np.empty(0)], [np.empty(0)], []
    for sample in samples:
        count += 1
        errors.append(projection_errors(sample))
        inside.append(_in_box(sample))
        bones += _bone(sample, reference_bone)
    projected, contained = np.concatenate(errors), np.concatenate(inside)
    return Measures(
        hands=count,
        projection_median=float(np.median(projected)) if len(projected) else None,
        projection_max=float(projected.max()) if len(projected) else None,
        in_box=float(contained.mean()) if len(contained) else None,
        bone=float(np.median(bones)) if bones else None,
    )


def projection_errors(sample: Sample) -> np.ndarray:
    """|project(K, xyz) - uv| in px of each joint that has both labels; empty without a camera."""
    valid = sample.uv_valid & sample.xyz_valid
    if not _has_camera(sample):
        return np.empty(0)
    return np.linalg.norm(project(sample.K, sample.xyz[valid]) - sample.uv[valid], axis=1)


def _in_box(sample: Sample) -> np.ndarray:
    """1 or 0 for each joint labelled in 2D."""
    offset = np.abs(sample.uv[sample.uv_valid] - sample.box[:2]).max(axis=1, initial=0)
    return (offset <= sample.box[2] / 2).astype(float)


def _bone(sample: Sample, reference_bone: str) -> list[float]:
    """Its length in mm; nothing where it is not labelled, or not in metres."""
    ends = list(REFERENCE_BONES[reference_bone])
    if not (_has_camera(sample) and sample.xyz_valid[ends].all()):
        return []
    return [1000 * float(np.linalg.norm(sample.xyz[ends[1]] - sample.xyz[ends[0]]))]


def _has_camera(sample: Sample) -> bool:
    return not np.array_equal(sample.K, np.eye(3))
