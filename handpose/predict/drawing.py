"""A predicted hand over its whole picture."""

import cv2
import numpy as np

from handpose.geometry import affine as maps
from handpose.predict.result import Hand
from handpose.report.drawing import box_corners, draw_box, draw_skeleton, joint_colours
from handpose.skeleton import NUM_JOINTS

_LEAST = 512  # px of the longer side: a smaller picture is enlarged, for lines to fit into it
_SIDE_TO_THICKNESS = 90


def draw_hand(image: np.ndarray, hand: Hand) -> np.ndarray:
    """The picture (H, W, 3) RGB with the box in white and the joints in their fingers' colours.

    A small one is enlarged by a whole factor.
    """
    height, width = image.shape[:2]
    factor = -(-_LEAST // max(height, width))
    size = factor * width, factor * height
    picture = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC) if factor > 1 else image
    to_picture = maps.resize((width, height), size)
    return draw_skeleton(
        draw_box(picture, maps.apply(to_picture, box_corners(hand.box))),
        maps.apply(to_picture, hand.uv),
        np.ones(NUM_JOINTS, dtype=bool),
        colours=joint_colours(),
        thickness=max(2, round(factor * float(hand.box[2]) / _SIDE_TO_THICKNESS)),
    )
