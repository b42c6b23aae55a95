"""Nearest neighbours among points of which some may not be each other's. M points, P dimensions."""

import numpy as np
from scipy.spatial import KDTree

# Where more of a point's neighbours than this are excluded, it is looked up among the others alone.
_MOST_EXCLUDED = 32
_ROWS = 1 << 14  # looked up at a time


def nearest(point: np.ndarray, apart: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest of the points (M, P) with another number in `apart` (M,): exact, by k-d trees.

    Returns:
        Places (M, count) int64 and distances (M, count) float32, nearest first; fewer than `count`
        are repeated in turn, and -1 and infinity where there is none.
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
    """Fills in what is found among each point's nearest; less where most of those are excluded."""
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
