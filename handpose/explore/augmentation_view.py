"""What the augmentation tab shows of a pair, as HTML. J = 21 joints, S side of a view in px."""

import math
from html import escape

import cv2
import numpy as np
from torch import Tensor

from handpose.explore.pairs import Pair, agreement, from_plain
from handpose.geometry import affine as maps
from handpose.objectives.relative import RelativeMap
from handpose.report.html import image_uri
from handpose.report.skeletons import draw_skeleton, rgb
from handpose.report.style import joint_colour
from handpose.report.views import look, signed
from handpose.skeleton import NUM_JOINTS

_SIZE = 384  # px of a picture
_HEADINGS = ("view 1", "view 2", "view 1 moved onto view 2")


def pictures_html(pair: Pair, *, joints: bool) -> str:
    """Both views and view 1 moved by the relative target, with their joints if so asked."""
    places = (pair.uv[0], pair.uv[1], pair.moved_uv)
    cards = "".join(
        f'<figure><img alt="{heading}" src="{image_uri(_drawn(picture, uv, pair, joints))}">'
        f"<figcaption>{heading}</figcaption></figure>"
        for heading, picture, uv in zip(_HEADINGS, pair.pictures, places, strict=True)
    )
    return f'<div class="cards three">{cards}</div>{_agreement(pair)}'


def _drawn(picture: np.ndarray, uv: np.ndarray, pair: Pair, joints: bool) -> np.ndarray:
    size = len(picture)
    large = cv2.resize(picture, (_SIZE, _SIZE), interpolation=cv2.INTER_CUBIC)
    if not joints:
        return large
    points = maps.apply(maps.resize((size, size), (_SIZE, _SIZE)), uv)
    colours = [rgb(joint_colour(joint)) for joint in range(NUM_JOINTS)]
    return draw_skeleton(large, points, pair.valid, colours=colours, thickness=3)


def _agreement(pair: Pair) -> str:
    found = agreement(pair)
    return (
        '<p class="note">View 1 moved meets view 2: its joints to within '
        f'<b data-name="joints">{found.joints:.3f}</b> px, its pixels to a mean of '
        f'<b data-name="picture">{found.picture:.1f}</b> of 255, where without the map it is '
        f'<b data-name="unmoved">{found.unmoved:.1f}</b>. Colours are left as they are: to see '
        "the map alone, switch off what changes the look.</p>"
    )


def parameters_html(pair: Pair, *, size: int) -> str:
    """The tracked parameters of each view, from the plain crop, beside the relative target."""
    params = pair.views.params
    columns = [from_plain(params, 0, size), from_plain(params, 1, size), pair.target]
    names = ("view 1", "view 2", "target 1 → 2")
    rows = zip(*(_column(column) for column in columns), strict=True)
    body = "".join(
        f"<tr><th>{row[0][0]}</th>{''.join(f'<td>{text}</td>' for _, text in row)}</tr>"
        for row in rows
    )
    looks = [escape(look(params, 0, view, size)) for view in (0, 1)]
    head = "".join(f"<th>{name}</th>" for name in names)
    return (
        f'<div class="scroll"><table class="numbers"><thead><tr><th>tracked</th>{head}</tr></thead>'
        f"<tbody>{body}<tr><th>not tracked</th><td>{looks[0]}</td><td>{looks[1]}</td><td></td></tr>"
        "</tbody></table></div>"
        '<p class="note">Of a view: what was drawn for it, from the plain crop. The target: what '
        "the relative objective is asked for. – : grey or Sobel took it away.</p>"
    )


def _column(target: RelativeMap) -> list[tuple[str, str]]:
    """(name, value in words) of each part of a map."""
    sin, cos = target.rotation[0].tolist()
    across, down = (100 * target.shift[0]).tolist()
    hue, saturation, gain, bias = target.colour[0].tolist()
    colours = (
        ("hue", f"{signed(math.degrees(hue), 0)}°"),
        ("saturation", f"×{math.exp(saturation):.2f}"),
        ("gain", f"×{math.exp(gain):.2f}"),
        ("bias", signed(bias, 0)),
    )
    valid: Tensor = target.colour_valid[0]
    return [
        ("rotation", f"{signed(math.degrees(math.atan2(sin, cos)), 1)}°"),
        ("scale", f"×{math.exp(float(target.log_scale[0])):.2f}"),
        ("shift right", f"{signed(across, 1)} %"),
        ("shift down", f"{signed(down, 1)} %"),
        *((name, text if on else "–") for (name, text), on in zip(colours, valid, strict=True)),
    ]
