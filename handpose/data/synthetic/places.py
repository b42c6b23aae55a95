"""Where hands are seen: a studio's backdrops, and places of many kinds; images sRGB in 0..255."""

from collections.abc import Callable

import cv2
import numpy as np

from handpose.data.synthetic.backdrop import draw_shape, paint_backdrop
from handpose.data.synthetic.colour import sample_tone, smooth_noise

_STUDIO = (  # colour, and strength of its folds
    *(((52, 158, 72), 3.0), ((52, 158, 72), 3.0), ((128, 128, 130), 7.0), ((34, 34, 38), 4.0)),
    ((172, 140, 104), 0.0),  # a desk
)


def paint_place(rng: np.random.Generator, size: int, kind: str) -> np.ndarray:
    """Paint what is behind a hand.

    Args:
        rng: source of all randomness.
        size: side in px.
        kind: "clutter" (shapes of several scales), "studio" (green screen, cloth or a desk) or
            "any" (rooms, outdoors, patterns, people, plain grounds and clutter).

    Returns:
        (size, size, 3) float32.
    """
    if kind == "clutter":
        return paint_backdrop(rng, size)
    if kind == "studio":
        return _studio(rng, size)
    place = _ANY[rng.choice(len(_ANY), p=_ANY_CHANCES)](rng, size)
    return np.clip(place, 0, 255).astype(np.float32)


def _studio(rng: np.random.Generator, size: int) -> np.ndarray:
    colour, folds = _STUDIO[rng.integers(len(_STUDIO))]
    corners = rng.uniform(0.88, 1.08, (2, 2)).astype(np.float32)
    image: np.ndarray = cv2.resize(corners, (size, size))[..., None] * np.array(colour, np.float32)
    if folds:
        image += np.float32(folds) * smooth_noise(rng, (size, size), (4, 9))[..., None]
    else:  # grain of wood, along the rows
        grain = cv2.resize(rng.standard_normal((24, 3), dtype=np.float32), (size, size))
        image += 4.0 * grain[..., None]
    return image.clip(0, 255)


def _any_colour(rng: np.random.Generator) -> np.ndarray:
    """Draw a colour (3,), mostly of low saturation as in rooms."""
    grey, saturation = rng.uniform(15, 245), rng.choice([0.08, 0.25, 0.8], p=[0.5, 0.3, 0.2])
    return (grey * (1 + saturation * rng.uniform(-1, 1, 3))).clip(0, 255)


def _slope(rng: np.random.Generator, size: int, strength: float = 0.25) -> np.ndarray:
    """Draw slowly varying brightness (size, size, 1) about 1."""
    corners = rng.uniform(1 - strength, 1 + strength, (2, 2)).astype(np.float32)
    return cv2.resize(corners, (size, size))[..., None]


def _plain(rng: np.random.Generator, size: int) -> np.ndarray:
    """A wall, or the white ground of a stock image."""
    colour = np.full(3, rng.uniform(225, 255)) if rng.random() < 0.4 else _any_colour(rng)
    texture = rng.uniform(0, 5) * smooth_noise(rng, (size, size), (6, max(size // 3, 7)))
    return _slope(rng, size, rng.uniform(0.0, 0.25)) * colour + texture[..., None]


def _texture(rng: np.random.Generator, size: int) -> np.ndarray:
    """Wood, stone, carpet, grass or leaves: noise between two colours, perhaps stretched."""
    first, second = _any_colour(rng), _any_colour(rng)
    if rng.random() < 0.3:
        first, second = np.array([60, 95, 40]), rng.uniform([100, 120, 40], [190, 190, 110])
    stretch = int(rng.choice([1, 1, 5]))
    noise = np.zeros((size, size), np.float32)
    for rows in (5, 12, 30, max(size // 2, 31)):
        cells = rng.standard_normal((rows, max(rows // stretch, 2)), np.float32)
        noise += cv2.resize(cells, (size, size))
    mix = np.clip(0.5 + rng.uniform(0.12, 0.4) * noise, 0, 1)[..., None]
    turned = np.rot90(mix, int(rng.integers(2)))
    return _slope(rng, size) * (first + turned * (second - first))


def _outdoors(rng: np.random.Generator, size: int) -> np.ndarray:
    """Sky above, trees or houses at the horizon, ground below."""
    image = np.empty((size, size, 3), np.float32)
    rows = np.linspace(0, 1, size)[:, None, None]
    high, low = rng.uniform([90, 140, 190], [170, 200, 250]), rng.uniform(190, 250, 3)
    image[:] = (high + rows * (low - high)) * rng.uniform(0.6, 1.0)
    line = int(size * rng.uniform(0.2, 0.8))
    ground = _texture(rng, size)
    image[line:] = ground[line:]
    leaves = rng.uniform([30, 60, 20], [110, 130, 80])
    heights = size * (0.12 + 0.1 * smooth_noise(rng, (1, size), (12,))[0])
    for column, height in enumerate(heights.clip(0).astype(int)):
        image[max(line - height, 0) : line, column] = leaves
    shade = 14 * smooth_noise(rng, (size, size), (20, max(size // 2, 21)))
    return image + shade[..., None]


def _room(rng: np.random.Generator, size: int) -> np.ndarray:
    """A wall with frames, shelves and windows, and a floor or a table."""
    image = _plain(rng, size).clip(0, 255).astype(np.uint8)
    turn = rng.normal(0, 4)
    for _ in range(rng.integers(2, 8)):
        centre, sides = rng.uniform(0, size, 2), size * rng.uniform(0.08, 0.55, 2)
        box = cv2.boxPoints((centre.tolist(), sides.tolist(), turn)).astype(np.int32)
        cv2.fillPoly(image, [box], _any_colour(rng).tolist(), cv2.LINE_AA)
        if rng.random() < 0.5:
            cv2.polylines(image, [box], True, _any_colour(rng).tolist(), 2, cv2.LINE_AA)
    if rng.random() < 0.6:
        edge = size * rng.uniform(0.4, 0.9, 2)
        corners = np.array([[0, edge[0]], [size, edge[1]], [size, size], [0, size]])
        cv2.fillPoly(image, [corners.astype(np.int32)], _any_colour(rng).tolist(), cv2.LINE_AA)
    return image * _slope(rng, size)


def _pattern(rng: np.random.Generator, size: int) -> np.ndarray:
    """Cloth or tiles: stripes or checks of two colours, seen at an angle."""
    v, u = np.mgrid[:size, :size] / size
    angle, frequency = rng.uniform(0, np.pi), rng.uniform(2, 14)
    skew = 1 + rng.uniform(-0.5, 0.8) * v
    across = (u * np.cos(angle) + v * np.sin(angle)) * skew
    along = (v * np.cos(angle) - u * np.sin(angle)) * skew
    wave = np.sin(2 * np.pi * frequency * across)
    if rng.random() < 0.5:
        wave = wave * np.sin(2 * np.pi * frequency * rng.uniform(0.6, 1.4) * along)
    folds = 0.15 * smooth_noise(rng, (size, size), (3, 6))[..., None]
    first, second = _any_colour(rng), _any_colour(rng)
    mix = np.clip(0.5 + 3 * wave, 0, 1)[..., None]
    return _slope(rng, size) * (1 + folds) * (first + mix * (second - first))


def _people(rng: np.random.Generator, size: int) -> np.ndarray:
    """The head and clothes of a person behind the hand."""
    image = (_room if rng.random() < 0.6 else _outdoors)(rng, size).clip(0, 255).astype(np.uint8)
    tone, hair, cloth = sample_tone(rng), rng.uniform([10, 8, 5], [110, 80, 60]), _any_colour(rng)
    centre = np.array([size * rng.uniform(0.1, 0.9), size * rng.uniform(0.1, 0.5)])
    head = size * rng.uniform(0.1, 0.28)

    def ellipse(down: float, width: float, height: float, colour: np.ndarray) -> None:
        middle = (centre + np.array([0, down * head])).astype(int).tolist()
        axes = (int(width * head), int(height * head))
        cv2.ellipse(image, middle, axes, 0, 0, 360, colour.tolist(), -1, cv2.LINE_AA)

    ellipse(4.2, 2.3, 2.8, cloth)
    ellipse(1.2, 0.45, 0.8, 0.85 * tone)
    ellipse(-0.15, 0.95, 1.2, hair)
    ellipse(0.1, 0.8, 1.0, tone)
    for side in (-0.33, 0.33):
        place = (centre + head * np.array([side, -0.05])).astype(int).tolist()
        cv2.circle(image, place, max(int(0.1 * head), 1), (0.4 * tone).tolist(), -1, cv2.LINE_AA)
    blurred: np.ndarray = cv2.GaussianBlur(image, (0, 0), size * rng.uniform(0.004, 0.012))
    return blurred * _slope(rng, size)


def _cluttered(rng: np.random.Generator, size: int) -> np.ndarray:
    """Any other place with objects in it."""
    image = _ANY[rng.integers(1, 5)](rng, size).clip(0, 255).astype(np.uint8)
    for _ in range(rng.integers(2, 9)):
        draw_shape(rng, image, size * rng.choice([0.5, 0.3, 0.15]))
    return image.astype(np.float32)


_ANY: tuple[Callable[[np.random.Generator, int], np.ndarray], ...] = (
    *(paint_backdrop, _plain, _texture, _outdoors, _room, _pattern, _people, _cluttered),
)
_ANY_CHANCES = (0.24, 0.10, 0.10, 0.10, 0.16, 0.06, 0.10, 0.14)
