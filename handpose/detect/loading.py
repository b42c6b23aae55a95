"""Opens the detector that a user names."""

from pathlib import Path

from handpose.detect import DEFAULT_MIN_SCORE, DEFAULT_NUM_HANDS
from handpose.detect.base import Detector
from handpose.detect.mediapipe import HandLandmarker
from handpose.detect.model_file import SUFFIX
from handpose.detect.own_function import OwnFunction, find_function
from handpose.detect.thorough import ThoroughDetector

_STRICT = 0.5  # MediaPipe's own default; the threshold of a thorough detector's second looks


def load_detector(
    spec: str,
    *,
    min_score: float = DEFAULT_MIN_SCORE,
    num_hands: int = DEFAULT_NUM_HANDS,
    thorough: bool = False,
) -> Detector:
    """Return the detector that `spec` names.

    Args:
        spec: path of a hand_landmarker.task, or `package.module:function` of the user's own, which
            takes an image (H, W, 3) uint8 RGB and returns a list of `Detection`.
        min_score: 0..1; hands below it are left out.
        num_hands: largest number of hands in an image; those with the best scores are kept.
        thorough: look at parts of the image too, and again at each hand that was found.

    Raises:
        ValueError: there is no such file or function, it is not a model, mediapipe is not
            installed, or a number is out of range.
    """
    if not 0 <= min_score <= 1:
        raise ValueError(f"min_score is {min_score}: must be 0 to 1")
    if num_hands < 1:
        raise ValueError(f"num_hands is {num_hands}: must be at least 1")
    first = _open(spec, min_score, num_hands)
    if not thorough:
        return first
    second = first if isinstance(first, OwnFunction) else _open(spec, _STRICT, num_hands)
    return ThoroughDetector(first, second, min_score=min_score, num_hands=num_hands)


def _open(spec: str, min_score: float, num_hands: int) -> Detector:
    path = Path(spec)
    if ":" in path.name and path.suffix != SUFFIX and not path.exists():
        return OwnFunction(find_function(spec), spec, min_score=min_score, num_hands=num_hands)
    return HandLandmarker(path, min_score=min_score, num_hands=num_hands)
