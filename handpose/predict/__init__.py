"""Predict hands with a trained model: on images, videos and cameras."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handpose.predict.hand import Given, Hand
    from handpose.predict.hand_pose import HandPose

__all__ = ["Given", "Hand", "HandPose"]


def __getattr__(name: str) -> Any:
    """Imports a public name on first use, since torch takes seconds."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.hand_pose"), name)
