"""A real detector, where mediapipe and its model are there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from handpose.detect.mediapipe import HandLandmarker


@pytest.fixture(scope="session")
def landmarker(hand_landmarker: Path) -> Iterator[HandLandmarker]:
    with HandLandmarker(hand_landmarker, min_score=0.3, num_hands=4) as detector:
        yield detector
