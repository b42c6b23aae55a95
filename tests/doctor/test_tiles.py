"""The drawn samples: the box and the joints where they are, and nothing else."""

from collections.abc import Callable

import numpy as np
import pytest

from handpose.doctor.findings import draw_tile
from handpose.records import Sample

SIZE = 320


@pytest.fixture
def sample(make_sample: Callable[..., Sample]) -> Sample:
    """On black; the box is the middle half of the picture, so that a tile is 0.8 of it."""
    made = make_sample(np.zeros((200, 200, 3), np.uint8))
    return made._replace(
        box=np.array([99.5, 99.5, 100], np.float32),
        uv=np.full((21, 2), 99.5, np.float32) + np.arange(21)[:, None].astype(np.float32),
    )


def test_the_box_is_where_it_is(sample: Sample) -> None:
    unlabelled = sample._replace(uv_valid=np.zeros(21, dtype=bool))
    white = (draw_tile(unlabelled, size=SIZE) == 255).all(axis=2)
    rows, columns = np.flatnonzero(white.any(axis=1)), np.flatnonzero(white.any(axis=0))
    # 160 px of the picture are 320 of the tile: the box of 100 px begins at 30 and ends at 130.
    assert [*rows[[0, -1]], *columns[[0, -1]]] == pytest.approx([60, 260, 60, 260], abs=2)
    assert white.mean() < 0.03


def test_the_joints_are_where_they_are(sample: Sample) -> None:
    drawn = draw_tile(sample, size=SIZE).astype(int)
    coloured = np.ptp(drawn, axis=2) > 30
    rows, columns = np.nonzero(coloured)
    assert np.abs(rows - columns).max() <= 6  # along the diagonal
    assert columns.min() == pytest.approx(2 * 80, abs=8)
    assert columns.max() == pytest.approx(2 * 100, abs=8)
