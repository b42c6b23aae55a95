"""What `--min-confidence` marks as uncertain. J = 21 joints."""

import numpy as np

from handpose.predict.hand import Hand
from handpose.skeleton import NUM_JOINTS


def low_joints(hand: Hand, min_confidence: float | None) -> tuple[bool, np.ndarray]:
    """Returns whether a hand's confidence is below a limit, and which joints' (J,) bool.

    Args:
        hand: without confidence, nothing is low.
        min_confidence: the limit in 0..1; None: nothing is low.
    """
    if min_confidence is None or hand.joint_confidence is None or hand.confidence is None:
        return False, np.zeros(NUM_JOINTS, dtype=bool)
    return hand.confidence < min_confidence, hand.joint_confidence < min_confidence
