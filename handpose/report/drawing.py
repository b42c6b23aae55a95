"""A skeleton over an image. J = 21 joints; uv (J, 2) in px of the image; S side of the picture."""

import cv2
import numpy as np
from matplotlib.colors import to_rgb

from handpose.geometry import affine as maps
from handpose.report.style import joint_colour
from handpose.skeleton import BONES, NUM_JOINTS

_SUBPIXEL_BITS = 4  # cv2 takes px in sixteenths
_PAD = 244  # grey level beyond the image's border
_RIM, _BOX = (15, 18, 24), (255, 255, 255)

Colour = tuple[int, int, int]


def overlay(
    image: np.ndarray, uv: np.ndarray, true_uv: np.ndarray, valid: np.ndarray, *, size: int = 520
) -> np.ndarray:
    """The part of `image` about the hand, (S, S, 3) uint8: the prediction in its fingers' colours
    and the truth thin and white. Joints where `valid` (J,) is False are not drawn.
    """
    picture, to_picture = enlarge(image, true_uv[valid], size=size)
    white = [(255, 255, 255)] * NUM_JOINTS
    thick = max(2, round(size / 110))
    predicted, true = maps.apply(to_picture, uv), maps.apply(to_picture, true_uv)
    picture = draw_skeleton(picture, predicted, valid, colours=joint_colours(), thickness=thick)
    return draw_skeleton(picture, true, valid, colours=white, thickness=max(1, thick // 3))


def enlarge(image: np.ndarray, points: np.ndarray, *, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A square about `points` (N, 2) as (S, S, 3) uint8, and its map from px of the image (2, 3).

    The square has 1.6 times the points' extent, no more than the image, within it where it fits;
    without points it holds the whole image.
    """
    height, width = image.shape[:2]
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) == 0:
        points = np.array([[0, 0], [width - 1, height - 1]])
    low, high = points.min(axis=0), points.max(axis=0)
    side = round(min(max(1.6 * float((high - low).max()), 32.0), max(width, height)))
    corner = np.rint((low + high) / 2 - (side - 1) / 2).astype(int)
    left, top = (
        int(np.clip(start, 0, extent - side)) if side <= extent else (extent - side) // 2
        for start, extent in zip(corner, (width, height), strict=True)
    )
    pad = side
    padded = cv2.copyMakeBorder(
        image, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=(_PAD, _PAD, _PAD)
    )
    square = padded[top + pad : top + pad + side, left + pad : left + pad + side]
    method = cv2.INTER_CUBIC if size > side else cv2.INTER_AREA
    to_square = np.array([[1.0, 0.0, -left], [0.0, 1.0, -top]])
    to_picture = maps.compose(maps.resize((side, side), (size, size)), to_square)
    return cv2.resize(square, (size, size), interpolation=method), to_picture


def draw_skeleton(
    picture: np.ndarray, uv: np.ndarray, valid: np.ndarray, *, colours: list[Colour], thickness: int
) -> np.ndarray:
    """Bones and joints where `valid` over a copy of `picture`, anti-aliased, on a soft dark rim."""
    valid = valid & np.isfinite(uv).all(axis=1)
    # Far outside it only has to be outside: cv2 overflows on what a failed model may say.
    points = np.clip(np.where(valid[:, None], uv, 0), -4 * len(picture), 5 * len(picture))
    rim = _strokes(picture, points, valid, [_RIM] * NUM_JOINTS, thickness + 2)
    softened = cv2.addWeighted(picture, 0.45, rim, 0.55, 0)
    return _strokes(softened, points, valid, colours, thickness)


def _strokes(
    picture: np.ndarray, uv: np.ndarray, valid: np.ndarray, colours: list[Colour], thickness: int
) -> np.ndarray:
    picture = picture.copy()
    fine = [(int(u), int(v)) for u, v in np.rint(uv * 2**_SUBPIXEL_BITS)]
    for parent, child in BONES:
        if valid[parent] and valid[child]:
            cv2.line(
                picture,
                fine[parent],
                fine[child],
                colours[child],
                thickness,
                cv2.LINE_AA,
                _SUBPIXEL_BITS,
            )
    radius = round(thickness * 1.1 * 2**_SUBPIXEL_BITS)
    for joint in np.flatnonzero(valid):
        cv2.circle(
            picture, fine[joint], radius, colours[joint], cv2.FILLED, cv2.LINE_AA, _SUBPIXEL_BITS
        )
    return picture


def box_corners(box: np.ndarray) -> np.ndarray:
    """Of a box (3,), centre and side: (4, 2) px, clockwise from the upper left."""
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    return box[:2] + signs * box[2] / 2


def draw_box(picture: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """A white frame (4, 2) on a dark rim, so that it shows on any background."""
    drawn, points = picture.copy(), [np.rint(corners).astype(np.int32)]
    cv2.polylines(drawn, points, True, _RIM, 4, cv2.LINE_AA)
    cv2.polylines(drawn, points, True, _BOX, 2, cv2.LINE_AA)
    return drawn


def joint_colours() -> list[Colour]:
    """The colour of each joint's finger."""
    return [rgb(joint_colour(joint)) for joint in range(NUM_JOINTS)]


def rgb(colour: str) -> Colour:
    """A colour of the palette as (red, green, blue) in 0..255."""
    red, green, blue = (round(255 * channel) for channel in to_rgb(colour))
    return red, green, blue
