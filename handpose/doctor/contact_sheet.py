"""Images inside a page."""

import base64

import cv2
import numpy as np

_QUALITY = 82


def as_address(picture: np.ndarray) -> str:
    """A picture (H, W, 3) RGB as a `data:` address of a page."""
    done, packed = cv2.imencode(".webp", picture[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])
    assert done, "this OpenCV cannot write WebP"
    return f"data:image/webp;base64,{base64.b64encode(packed.tobytes()).decode()}"
