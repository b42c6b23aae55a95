"""Reading a picture from disk."""

from pathlib import Path

import cv2
import numpy as np


def read_image(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB, in the file's own orientation (labels do not follow EXIF).

    Raises:
        ValueError: missing, empty, cut or not a picture; names the file. OpenCV would decode the
            lower part of a cut JPEG as grey without a word, so its end marker is looked for.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    if content[:2] == b"\xff\xd8" and b"\xff\xd9" not in content[-64:]:
        raise ValueError(f"{path}: the JPEG is cut short ({len(content)} bytes, no end marker)")
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    if image is None:
        raise ValueError(f"{path}: not a picture that OpenCV can read ({len(content)} bytes)")
    return image
