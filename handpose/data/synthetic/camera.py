"""Cameras: their place, and what they do to an image after it is lit; images sRGB in 0..255."""

from typing import NamedTuple

import cv2
import numpy as np

from handpose.data.synthetic.domain import Domain, happens

_REFERENCE = 96  # px, side of the image that lengths of blur are stated for


class Camera(NamedTuple):
    """A fixed camera of a studio."""

    tilt: float  # of its view, relative to the largest tilt of an orientation
    about: float  # radians, direction in which it is tilted
    depth: float  # metres to the wrist
    gain: tuple[float, float, float]  # exposure and white balance
    grain: float  # standard deviation of its noise
    blur: float  # standard deviation in px of its optics


RIG = (
    Camera(0.50, 0.0, 0.62, (1.00, 1.00, 1.00), 1.5, 0.35),
    Camera(0.50, 2.1, 0.62, (1.05, 1.02, 0.97), 2.0, 0.45),
    Camera(0.50, 4.2, 0.74, (0.93, 0.95, 1.00), 2.5, 0.40),
    Camera(0.15, 1.0, 0.74, (1.02, 1.00, 0.95), 1.5, 0.55),
)


def choose_camera(rng: np.random.Generator, domain: Domain) -> Camera | None:
    """Draw one of the domain's fixed cameras; None without any.

    Args:
        rng: source of the number.
        domain: the world.
    """
    return RIG[rng.integers(domain.cameras)] if domain.cameras else None


def photograph(
    rng: np.random.Generator,
    front: np.ndarray,
    share: np.ndarray,
    backdrop: np.ndarray,
    domain: Domain,
    camera: Camera | None,
) -> np.ndarray:
    """Return the image (S, S, 3) uint8 of a scene.

    Args:
        rng: source of all randomness.
        front: (S, S, 3) all before the backdrop, zero where nothing is.
        share: (S, S) how much of a pixel it covers, 0 to 1.
        backdrop: (S, S, 3).
        domain: the world; tells what effects occur.
        camera: the fixed camera; drawn if None.
    """
    scale = len(share) / _REFERENCE
    out_of_focus = happens(rng, domain.lens_blur)
    all_of_it = out_of_focus and rng.random() < 0.35
    if out_of_focus and not all_of_it:
        backdrop = lens_blurred(backdrop, scale * rng.uniform(1.5, 5.0))
    image = front + backdrop * (1.0 - share[..., None])
    if all_of_it:
        image = lens_blurred(image, scale * rng.uniform(0.8, 1.9))
    if happens(rng, domain.motion_blur):
        length = scale * rng.uniform(2.5, 8.0)
        image = motion_blurred(image, length, rng.uniform(0, np.pi))
    exposed = _develop_fixed(rng, image, camera) if camera else _expose(rng, image, domain)
    return compressed(rng, exposed) if happens(rng, domain.compression) else exposed


def develop(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Add camera blur, exposure and noise; return uint8.

    Args:
        rng: source of all randomness.
        image: (S, S, 3) sRGB float32.
    """
    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.7))
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    gain, grain = np.float32(rng.uniform(0.85, 1.12)), np.float32(rng.uniform(0.5, 5.0))
    return np.rint((image * gain + grain * noise).clip(0, 255)).astype(np.uint8)


def lens_blurred(image: np.ndarray, radius: float) -> np.ndarray:
    """Return the image out of focus: averaged over a disc.

    Args:
        image: (S, S, 3) float32.
        radius: of the disc, px.
    """
    reach = int(np.ceil(radius))
    across = np.arange(-reach, reach + 1)
    disc = np.clip(radius + 0.5 - np.hypot(across[:, None], across), 0, 1).astype(np.float32)
    blurred: np.ndarray = cv2.filter2D(image, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT)
    return blurred


def motion_blurred(image: np.ndarray, length: float, angle: float) -> np.ndarray:
    """Return the image averaged along a line about each pixel, so points keep their mean place.

    Args:
        image: (S, S, 3) float32.
        length: of the line, px.
        angle: radians from the u axis to the line.
    """
    reach = int(np.ceil(length / 2)) + 1
    v, u = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along = np.abs(u * np.cos(angle) + v * np.sin(angle))
    aside = np.abs(v * np.cos(angle) - u * np.sin(angle))
    line = np.clip(length / 2 + 0.5 - along, 0, 1) * np.clip(1 - aside, 0, 1)
    kernel = (line / line.sum()).astype(np.float32)
    blurred: np.ndarray = cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT)
    return blurred


def compressed(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Return an image (S, S, 3) uint8 after strong JPEG, or as of low-rate video.

    Video is coded at a lower resolution, and again when it is shared.

    Args:
        rng: source of all randomness.
        image: (S, S, 3) uint8.
    """
    corner = rng.integers(0, 8, 2)
    if rng.random() < 0.5:
        return _jpeg(image, int(rng.integers(12, 50)), corner)
    side = len(image)
    small = max(round(side * rng.uniform(0.5, 0.85)), 16)
    coded = _jpeg(cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA), 40, corner)
    grown = cv2.resize(coded, (side, side), interpolation=cv2.INTER_CUBIC)
    return _jpeg(grown, int(rng.integers(14, 45)), corner[::-1])


def _jpeg(image: np.ndarray, quality: int, corner: np.ndarray) -> np.ndarray:
    """Return the image coded with subsampled chroma; `corner` (2,) px shifts the grid of blocks."""
    top, left = corner.tolist()
    padded = cv2.copyMakeBorder(image, top, 0, left, 0, cv2.BORDER_REPLICATE)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]
    _, code = cv2.imencode(".jpg", padded[..., ::-1], options)
    decoded = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR))
    return np.ascontiguousarray(decoded[top:, left:, ::-1])


def _develop_fixed(rng: np.random.Generator, image: np.ndarray, camera: Camera) -> np.ndarray:
    blurred = cv2.GaussianBlur(image, (0, 0), camera.blur * len(image) / _REFERENCE)
    noise = np.float32(camera.grain) * rng.standard_normal(image.shape, dtype=np.float32)
    exposed = blurred * np.array(camera.gain, np.float32) + noise
    return np.rint(exposed.clip(0, 255)).astype(np.uint8)


def _expose(rng: np.random.Generator, image: np.ndarray, domain: Domain) -> np.ndarray:
    """Develop; cameras of a world with draws of its own also differ in colours and contrast."""
    return develop(rng, _graded(rng, image) if domain.own_draws else image)


def _graded(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Change white balance, saturation, contrast and sharpness as phones and editors do."""
    balance = 1 + rng.uniform(-0.12, 0.12) * np.array([1, 0, -1]) + rng.normal(0, 0.03, 3)
    toned = 255 * (image.clip(0, 255) / 255) ** np.float32(rng.uniform(0.75, 1.35))
    grey = toned.mean(axis=2, keepdims=True)
    saturation = 0.0 if rng.random() < 0.02 else rng.uniform(0.6, 1.35)
    coloured = (grey + np.float32(saturation) * (toned - grey)) * balance.astype(np.float32)
    if rng.random() < 0.3:
        blurred = cv2.GaussianBlur(coloured, (0, 0), 1.0)
        coloured += np.float32(rng.uniform(0.3, 1.2)) * (coloured - blurred)
    return coloured.astype(np.float32)
