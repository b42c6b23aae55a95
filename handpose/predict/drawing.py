"""Draws predicted hands over their image."""

import numpy as np

from handpose.predict.hand import Hand, low_joints
from handpose.report import hand_drawings
from handpose.report.hand_drawings import DrawnHand


def draw_hands(
    image: np.ndarray, hands: list[Hand], *, min_confidence: float | None = None
) -> np.ndarray:
    """Draws hands with their joints and boxes; see `hand_drawings`.

    The label has the side, the track (#2) and the confidence, as far as they are known.

    Args:
        image: (H, W, 3) RGB; a small one is enlarged by a whole factor.
        hands: in px of the image.
        min_confidence: hands and joints below it are drawn faint.
    """
    return hand_drawings.draw_hands(image, [_drawn(hand, min_confidence) for hand in hands])


def _drawn(hand: Hand, min_confidence: float | None) -> DrawnHand:
    is_low, joints = low_joints(hand, min_confidence)
    sure = hand.score if hand.confidence is None else hand.confidence
    track = "" if hand.track is None else f" #{hand.track}"
    label = hand.side + track + ("" if sure is None else f" {sure:.2f}")
    return DrawnHand(hand.uv, hand.box, hand.side, label, is_low, joints)
