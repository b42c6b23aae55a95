"""A trained model on any picture, video or camera."""

from handpose.predict.given import Given
from handpose.predict.hand_pose import HandPose
from handpose.predict.result import Hand

__all__ = ["Given", "Hand", "HandPose"]
