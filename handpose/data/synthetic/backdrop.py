"""Clutter behind a hand and objects before it; images sRGB in 0..255."""

import cv2
import numpy as np

from handpose.data.synthetic.colour import sample_tone, smooth_noise

_MOST_HIDDEN = 0.18  # of the hand's silhouette
_LEAST_HIDDEN = 0.02
_OCCLUDER_TRIES = 8
_AA = cv2.LINE_AA


def paint_backdrop(rng: np.random.Generator, size: int) -> np.ndarray:
    """Paint a gradient, shapes of several scales, blur and noise.

    Args:
        rng: source of all randomness.
        size: side in px.

    Returns:
        (size, size, 3) float32.
    """
    corners = rng.uniform(15, 235) + rng.normal(0, 28, (2, 2, 3)) + rng.normal(0, 22, (1, 1, 3))
    image = cv2.resize(corners.clip(0, 255).astype(np.uint8), (size, size))
    for scale in (0.6, 0.3, 0.12):
        for _ in range(rng.integers(0, 7)):
            draw_shape(rng, image, scale * size)
        if rng.random() < 0.4:
            image = cv2.GaussianBlur(image, (0, 0), size * rng.uniform(0.004, 0.02))
    texture = rng.uniform(0.0, 16.0) * smooth_noise(rng, (size, size), (5, 17, max(size // 3, 18)))
    backdrop: np.ndarray = (image + texture[..., None]).astype(np.float32)
    if rng.random() < 0.6:
        backdrop = cv2.GaussianBlur(backdrop, (0, 0), size * rng.uniform(0.003, 0.014))
    return backdrop.clip(0, 255)


def place_occluder(
    rng: np.random.Generator, hand: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Draw an object before the hand that hides 2 to 18 % of it.

    Args:
        rng: source of all randomness.
        hand: (S, S) bool, the silhouette.

    Returns:
        Its mask (S, S) bool and its image (S, S, 3) sRGB float32; None if no draw fits.
    """
    whole = max(int(hand.sum()), 1)
    for _ in range(_OCCLUDER_TRIES):
        mask = _object_mask(rng, hand)
        if _LEAST_HIDDEN * whole <= (hand & mask).sum() <= _MOST_HIDDEN * whole:
            return mask, _object_image(rng, mask)
    return None


def _colour(rng: np.random.Generator) -> list[float]:
    if rng.random() < 0.25:
        return (sample_tone(rng) * rng.uniform(0.5, 1.0)).tolist()
    return (rng.uniform(0, 255) * rng.uniform(0.55, 1.0, 3)).tolist()


def draw_shape(rng: np.random.Generator, image: np.ndarray, scale: float) -> None:
    """Draw a random shape of `scale` px on the image (size, size, 3) uint8."""
    draw = (_draw_ellipse, _draw_polygon, _draw_line, _draw_stripes)[rng.integers(4)]
    draw(rng, image, rng.uniform(0, image.shape[0], 2), scale)


def _draw_ellipse(
    rng: np.random.Generator, image: np.ndarray, centre: np.ndarray, scale: float
) -> None:
    axes = np.maximum(rng.uniform(0.2, 0.6, 2) * scale, 1).astype(int).tolist()
    middle, turn = centre.astype(int).tolist(), rng.uniform(0, 180)
    cv2.ellipse(image, middle, axes, turn, 0, 360, _colour(rng), -1, _AA)


def _draw_polygon(
    rng: np.random.Generator, image: np.ndarray, centre: np.ndarray, scale: float
) -> None:
    corners = centre + scale * rng.uniform(-0.6, 0.6, (rng.integers(3, 7), 2))
    cv2.fillPoly(image, [corners.astype(np.int32)], _colour(rng), _AA)


def _draw_line(
    rng: np.random.Generator, image: np.ndarray, centre: np.ndarray, scale: float
) -> None:
    start, end = (centre + scale * rng.normal(0, 1.2, (2, 2))).astype(int).tolist()
    width = max(1, int(scale * rng.uniform(0.03, 0.25)))
    cv2.line(image, start, end, _colour(rng), width, _AA)


def _draw_stripes(
    rng: np.random.Generator, image: np.ndarray, centre: np.ndarray, scale: float
) -> None:
    angle, colour = rng.uniform(0, np.pi), _colour(rng)
    along, across = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    for step in np.arange(-3, 4) * scale * rng.uniform(0.08, 0.2):
        middle, reach = centre + step * across, 0.6 * scale * along
        start, end = np.stack([middle - reach, middle + reach]).astype(int).tolist()
        cv2.line(image, start, end, colour, max(1, int(0.04 * scale)), _AA)


def _object_mask(rng: np.random.Generator, hand: np.ndarray) -> np.ndarray:
    size = hand.shape[0]
    mask = np.zeros(hand.shape, dtype=np.uint8)
    rows, columns = np.nonzero(hand)
    pick = rng.integers(len(rows))
    centre = np.array([columns[pick], rows[pick]]) + rng.normal(0, 0.08 * size, 2)
    kind = rng.integers(3)
    if kind == 0:
        cv2.circle(mask, centre.astype(int).tolist(), int(size * rng.uniform(0.05, 0.16)), 1, -1)
    else:
        shape = (2.5, rng.uniform(0.03, 0.09)) if kind == 1 else rng.uniform(0.1, 0.4, 2)
        box = (centre.tolist(), (size * shape[0], size * shape[1]), rng.uniform(0, 180))
        cv2.fillPoly(mask, [cv2.boxPoints(box).astype(np.int32)], 1)
    return mask.astype(bool)


def _object_image(rng: np.random.Generator, mask: np.ndarray) -> np.ndarray:
    """Paint an object: colour, darker towards the rim, some texture."""
    size = mask.shape[0]
    inner = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    bulge = 0.55 + 0.45 * np.sqrt(inner / max(float(inner.max()), 1.0))
    texture = 1.0 + rng.uniform(0.0, 0.15) * smooth_noise(rng, mask.shape, (7, 40))
    colour = np.array(_colour(rng), dtype=np.float32)
    top, bottom = rng.uniform(0.75, 1.1, 2)
    slope = np.linspace(top, bottom, size)[:, None]
    return (bulge * texture * slope)[..., None].astype(np.float32) * colour
