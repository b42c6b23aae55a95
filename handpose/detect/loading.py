"""Opens the detector that a user names."""

from pathlib import Path

from handpose.detect.base import Detector
from handpose.detect.mediapipe import HandLandmarker
from handpose.detect.model_file import SUFFIX
from handpose.detect.own_function import OwnFunction, find_function

DEFAULT_MIN_SCORE = 0.3
DEFAULT_NUM_HANDS = 4


def load_detector(
    spec: str, *, min_score: float = DEFAULT_MIN_SCORE, num_hands: int = DEFAULT_NUM_HANDS
) -> Detector:
    """Return the detector that `spec` names.

    Args:
        spec: path of a hand_landmarker.task, or `package.module:function` of the user's own, which
            takes an image (H, W, 3) uint8 RGB and returns a list of `Detection`.
        min_score: 0..1; hands below it are left out.
        num_hands: largest number of hands in an image; those with the best scores are kept.

    Raises:
        ValueError: there is no such file or function, it is not a model, or a number is out of
            range.
        ImportError: `spec` is a model file, and mediapipe is not installed.
    """
    if not 0 <= min_score <= 1:
        raise ValueError(f"min_score is {min_score}: must be 0 to 1")
    if num_hands < 1:
        raise ValueError(f"num_hands is {num_hands}: must be at least 1")
    path = Path(spec)
    if ":" in path.name and path.suffix != SUFFIX and not path.exists():
        return OwnFunction(find_function(spec), spec, min_score=min_score, num_hands=num_hands)
    return HandLandmarker(path, min_score=min_score, num_hands=num_hands)
