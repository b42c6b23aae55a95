"""The nearest that are permitted, as a slow search finds them."""

import numpy as np
import pytest

from handpose.data.positives import mining as neighbours
from handpose.data.positives.mining import nearest


def _slow_nearest(pose: np.ndarray, apart: np.ndarray, count: int) -> np.ndarray:
    """(M, count) distances, fewer repeated in turn; infinity where there are none."""
    rows = []
    for i in range(len(pose)):
        others = sorted(
            float(np.linalg.norm(pose[i] - pose[j]))
            for j in range(len(pose))
            if apart[j] != apart[i]
        )
        rows.append([others[c % len(others[:count])] if others else np.inf for c in range(count)])
    return np.array(rows)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    "apart",
    [
        np.arange(150),
        np.arange(150) // 4,
        np.r_[np.zeros(100, int), np.arange(50) // 2 + 1],  # more than are looked at first
        np.r_[np.zeros(148, int), [1, 1]],  # fewer than three
        np.zeros(150, int),
    ],
    ids=["all apart", "fours", "one large", "few others", "no other"],
)
def test_nearest_equals_a_slow_search(
    apart: np.ndarray, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "_ROWS", 64)
    rng = np.random.default_rng(0)
    pose = rng.normal(size=(150, 3))
    pose[apart == 0] *= 0.01  # a recording whose poses are much alike
    pose[40:60] = pose[100:120]  # ties
    places, distances = nearest(pose, apart, count)
    assert np.allclose(distances, _slow_nearest(pose, apart, count), atol=1e-6)
    found = places >= 0
    assert (found == np.isfinite(distances)).all()
    own = np.broadcast_to(np.arange(150)[:, None], places.shape)
    assert (apart[places] != apart[own])[found].all()
    assert np.allclose(np.linalg.norm(pose[places] - pose[own], axis=2)[found], distances[found])


def test_nearest_of_nothing_and_of_one() -> None:
    for number in (0, 1):
        places, distances = nearest(np.zeros((number, 3)), np.arange(number), 2)
        assert places.shape == distances.shape == (number, 2)
        assert (places == -1).all()
