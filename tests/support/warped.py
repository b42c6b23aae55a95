"""A view of an image by its map, as the training path makes it."""

import numpy as np

from handpose.augment.geometric import Pyramid, plan_warps


def warped(image: np.ndarray, affine: np.ndarray, size: int) -> np.ndarray:
    """(S, S, 3) uint8; `affine` (2, 3) takes px of the image to px of the view."""
    return Pyramid(image).render(plan_warps(affine[None])[0], size)
