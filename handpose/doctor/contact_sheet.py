"""Samples with their joints and boxes drawn over them. S side of a tile in px."""

import base64

import cv2
import numpy as np

from handpose.geometry import affine as maps
from handpose.hand import NUM_JOINTS
from handpose.records import Sample
from handpose.report.drawing import draw_skeleton, enlarge, rgb
from handpose.report.style import joint_colour

_QUALITY = 82
_RIM, _BOX = (15, 18, 24), (255, 255, 255)


def tile(sample: Sample, *, size: int, plain: bool = False) -> np.ndarray:
    """The part of a sample's picture about its box, (S, S, 3) uint8 RGB.

    Over it the box in white and the joints in their fingers' colours, unless `plain`.
    """
    corners = _corners(sample.box)
    labelled = sample.uv[sample.uv_valid]
    picture, to_picture = enlarge(sample.image, np.concatenate((corners, labelled)), size=size)
    if plain:
        return picture
    picture = _draw_box(picture, maps.apply(to_picture, corners))
    return draw_skeleton(
        picture,
        maps.apply(to_picture, sample.uv),
        sample.uv_valid,
        colours=[rgb(joint_colour(joint)) for joint in range(NUM_JOINTS)],
        thickness=max(2, size // 150),
    )


def _corners(box: np.ndarray) -> np.ndarray:
    """(4, 2) px, clockwise from the upper left."""
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    return box[:2] + signs * box[2] / 2


def _draw_box(picture: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """A white frame on a dark rim, so that it shows on any background."""
    drawn, points = picture.copy(), [np.rint(corners).astype(np.int32)]
    cv2.polylines(drawn, points, True, _RIM, 4, cv2.LINE_AA)
    cv2.polylines(drawn, points, True, _BOX, 2, cv2.LINE_AA)
    return drawn


def grid(tiles: list[np.ndarray], *, columns: int) -> np.ndarray:
    """Tiles (S, S, 3) in rows of `columns`, white where the last row ends early."""
    blank = np.full_like(tiles[0], 255)
    filled = tiles + [blank] * (-len(tiles) % columns)
    rows = [np.hstack(filled[i : i + columns]) for i in range(0, len(filled), columns)]
    return np.vstack(rows)


def as_address(picture: np.ndarray) -> str:
    """A picture (H, W, 3) RGB as a `data:` address of a page."""
    done, packed = cv2.imencode(".webp", picture[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])
    assert done, "this OpenCV cannot write WebP"
    return f"data:image/webp;base64,{base64.b64encode(packed.tobytes()).decode()}"
