"""A window that shows the predictions of a video or camera as they come."""

import os
import sys

import cv2
import numpy as np

_NAME = "handpose"
_QUIT = (27, ord("q"))  # Esc


def window_problem() -> str | None:
    """Returns why no window can be opened here, or None."""
    is_linux = sys.platform.startswith("linux")
    if is_linux and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "--show: there is no display (DISPLAY is not set); leave it out, or use ssh -X"
    try:
        cv2.namedWindow(_NAME, cv2.WINDOW_NORMAL)
    except cv2.error:
        return (
            "--show: this OpenCV cannot open windows (opencv-python-headless); leave --show out, "
            "or run: pip uninstall opencv-python-headless; pip install opencv-python"
        )
    cv2.destroyWindow(_NAME)
    return None


def show(drawing: np.ndarray) -> bool:
    """Shows a drawing; returns whether the user closed the window, or pressed q or Esc.

    Args:
        drawing: (H, W, 3) uint8 RGB.
    """
    cv2.imshow(_NAME, drawing[..., ::-1])
    is_quit = cv2.waitKey(1) & 0xFF in _QUIT
    return is_quit or cv2.getWindowProperty(_NAME, cv2.WND_PROP_VISIBLE) < 1
