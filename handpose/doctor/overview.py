"""What each hand of a split has. N hands."""

from typing import NamedTuple

import numpy as np

from handpose.data.base import HandDataset
from handpose.data.indexed import IndexedDataset


class Overview(NamedTuple):
    """A row for each hand."""

    is_left: np.ndarray  # (N,) bool
    picture: np.ndarray  # (N,) int64, equal for hands of one picture
    has_uv: np.ndarray  # (N,) bool: some joint is labelled in 2D
    has_xyz: np.ndarray  # (N,) bool: some joint is labelled in 3D
    has_camera: np.ndarray  # (N,) bool


def overview(dataset: HandDataset) -> Overview:
    """Read from the index, without pixels, where there is one; else from all samples."""
    if isinstance(dataset, IndexedDataset):
        return _from_index(dataset)
    return _from_samples(dataset)


def _from_index(dataset: IndexedDataset) -> Overview:
    arrays, rows = dataset.index.arrays, dataset.rows
    annotation = arrays["annotation"][rows]
    return Overview(
        is_left=arrays["is_left"][rows],
        picture=arrays["image"][rows].astype(np.int64),
        has_uv=np.any(arrays["uv_valid"], axis=1)[annotation],
        has_xyz=np.any(arrays["xyz_valid"], axis=1)[annotation],
        has_camera=_is_camera(arrays["K"])[annotation],
    )


def _from_samples(dataset: HandDataset) -> Overview:
    samples = (dataset[index] for index in range(len(dataset)))
    rows = [
        (s.side == "left", s.key.rpartition("#")[0], s.uv_valid.any(), s.xyz_valid.any(), s.K)
        for s in samples
    ]
    is_left, picture, has_uv, has_xyz, K = map(np.array, zip(*rows, strict=True))
    return Overview(
        is_left=is_left,
        picture=np.unique(picture, return_inverse=True)[1],
        has_uv=has_uv,
        has_xyz=has_xyz,
        has_camera=_is_camera(K),
    )


def _is_camera(K: np.ndarray) -> np.ndarray:
    """(M, 3, 3) -> (M,) bool: the identity stands for an unknown camera."""
    return np.any(np.eye(3) != K, axis=(1, 2))


def spread(is_left: np.ndarray, count: int) -> np.ndarray:
    """About `count` places, evenly over the left hands and evenly over the right ones, in order.

    With one side alone all are of it.
    """
    sides = [np.flatnonzero(is_left == side) for side in (False, True)]
    sides = [places for places in sides if len(places)]
    each = -(-count // len(sides))
    chosen = [
        places[np.linspace(0, len(places) - 1, min(each, len(places))).astype(int)]
        for places in sides
    ]
    return np.sort(np.concatenate(chosen))
