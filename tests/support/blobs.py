"""Blobs: where the content of an image lies, to a hundredth of a px."""

import numpy as np


def blob_image(width: int, height: int, centre: np.ndarray, sigma: float) -> np.ndarray:
    """A grey Gaussian (H, W, 3) uint8 about a centre in px."""
    v, u = np.mgrid[:height, :width]
    blob = 250 * np.exp(-((u - centre[0]) ** 2 + (v - centre[1]) ** 2) / (2 * sigma**2))
    return np.repeat(np.rint(blob).astype(np.uint8)[..., None], 3, axis=2)


def centre_of_mass(images: np.ndarray) -> np.ndarray:
    """(..., 3, S, S) -> (..., 2) px."""
    mass = images.astype(np.float64).sum(-3)
    v, u = np.mgrid[: mass.shape[-2], : mass.shape[-1]]
    sums = np.stack([(mass * at).sum((-2, -1)) for at in (u, v)], axis=-1)
    return sums / mass.sum((-2, -1))[..., None]
