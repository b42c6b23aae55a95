"""A real detector, where mediapipe and its model are there."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from handpose.detect.mediapipe import HandLandmarker


@pytest.fixture(scope="session")
def model() -> Path:
    """hand_landmarker.task."""
    if importlib.util.find_spec("mediapipe") is None:
        pytest.skip('mediapipe is not installed (pip install "handpose[detect]")')
    name = os.environ.get("HANDPOSE_HAND_LANDMARKER")
    if not name:
        pytest.skip("HANDPOSE_HAND_LANDMARKER does not name a hand_landmarker.task")
    return Path(name)


@pytest.fixture(scope="session")
def landmarker(model: Path) -> Iterator[HandLandmarker]:
    with HandLandmarker(model, min_score=0.3, num_hands=4) as detector:
        yield detector
