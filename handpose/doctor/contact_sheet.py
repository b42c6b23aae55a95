"""Samples with their joints and boxes drawn over them. S side of a tile in px."""

import base64

import cv2
import numpy as np

from handpose.geometry import affine as maps
from handpose.records import Sample
from handpose.report.drawing import box_corners, draw_box, draw_skeleton, enlarge, joint_colours

_QUALITY = 82


def tile(sample: Sample, *, size: int, plain: bool = False) -> np.ndarray:
    """The part of a sample's picture about its box, (S, S, 3) uint8 RGB.

    Over it the box in white and the joints in their fingers' colours, unless `plain`.
    """
    corners = box_corners(sample.box)
    labelled = sample.uv[sample.uv_valid]
    picture, to_picture = enlarge(sample.image, np.concatenate((corners, labelled)), size=size)
    if plain:
        return picture
    picture = draw_box(picture, maps.apply(to_picture, corners))
    return draw_skeleton(
        picture,
        maps.apply(to_picture, sample.uv),
        sample.uv_valid,
        colours=joint_colours(),
        thickness=max(2, size // 150),
    )


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
