"""Pairs of views: both, view 1 moved onto view 2 by the relative target, and the map in words.

S side of a view, px.
"""

import math

import cv2
import numpy as np
from matplotlib.figure import Figure

from handpose.objectives.relative import RelativeMap, relative_map
from handpose.records import ViewParams, Views
from handpose.report.style import INK, MUTED, PAGE_WIDTH, SMALL, new_figure, show_image, to_png

_COLUMNS = 2
_GAP, _BETWEEN, _TEXT = 0.05, 0.45, 0.98  # inches: between images, between pairs, below a pair
_PAIR = (PAGE_WIDTH - _BETWEEN) / _COLUMNS
_IMAGE = (_PAIR - 2 * _GAP) / 3
_LINE = 0.17  # inches
_HEADINGS = ("view 1", "view 2", "view 1 moved onto view 2")
_TOP = 0.25
_MINED = ("view 2 is another image, mined for its similar pose", INK)


def draw_view_pairs(views: Views, *, most: int = 8) -> bytes | None:
    """Draws the first pairs of a batch in a grid.

    Args:
        views: the batch.
        most: pairs to draw, at most.

    Returns:
        A PNG, or None without pairs.
    """
    count, size = min(most, len(views.index)), views.image.shape[-1]
    if count == 0 or views.image.shape[1] < 2:
        return None
    target = relative_map(views.params, size)
    rows = -(-count // _COLUMNS)
    width = PAGE_WIDTH if count > 1 else _PAIR
    figure = new_figure(width, _TOP + rows * (_IMAGE + _TEXT))
    for pair in range(count):
        left = pair % _COLUMNS * (_PAIR + _BETWEEN)
        top = _TOP + pair // _COLUMNS * (_IMAGE + _TEXT)
        headings = _HEADINGS if pair < _COLUMNS else ("", "", "")
        images = pair_images(views, target, pair)
        lines = _describe(views.params, target, pair, size)
        if views.index[pair, 0] != views.index[pair, 1]:  # no map takes one image to the other
            images, lines = images[:2], [_MINED, *lines[2:]]
        _place_images(figure, left, top, images, headings)
        _place_text(figure, left, top + _IMAGE, lines)
    return to_png(figure)


def _place_images(
    figure: Figure, left: float, top: float, images: list[np.ndarray], headings: tuple[str, ...]
) -> None:
    """Places the images of a pair in a row, in inches from the figure's top left corner."""
    w, h = figure.get_size_inches()
    for place, (image, heading) in enumerate(zip(images, headings, strict=False)):
        x = left + place * (_IMAGE + _GAP)
        axes = figure.add_axes((x / w, 1 - (top + _IMAGE) / h, _IMAGE / w, _IMAGE / h))
        axes.set_title(heading, loc="left", fontsize=SMALL, color=MUTED, pad=4)
        show_image(axes, image)


def _place_text(figure: Figure, left: float, top: float, lines: list[tuple[str, str]]) -> None:
    """Writes lines of text in their colours below a pair."""
    width, height = figure.get_size_inches()
    for number, (text, colour) in enumerate(lines):
        y = 1 - (top + 0.13 + number * _LINE) / height
        figure.text(left / width, y, text, fontsize=SMALL, color=colour, va="center")


def pair_images(views: Views, target: RelativeMap, pair: int) -> list[np.ndarray]:
    """Returns view 1, view 2, and view 1 moved by the target, reflected beyond its border.

    Args:
        views: a batch.
        target: its relative targets.
        pair: row of both.

    Returns:
        Three images (S, S, 3) uint8.
    """
    first, second = views.image[pair, :2].permute(0, 2, 3, 1).contiguous().numpy()
    size = len(first)
    moved = cv2.warpAffine(
        first,
        target_affine(target, pair, size),
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return [first, second, moved]


def target_affine(target: RelativeMap, pair: int, size: int) -> np.ndarray:
    """Converts a target's rotation, scale and shift to a map from px of view 1 to px of view 2.

    The inverse of `to_unit_frame`, so what is drawn is what the objective has to predict.

    Args:
        target: relative targets of a batch.
        pair: row of the batch.
        size: S.

    Returns:
        (2, 3) float64.
    """
    sin, cos = target.rotation[pair].double().tolist()
    linear = math.exp(float(target.log_scale[pair])) * np.array([[cos, -sin], [sin, cos]])
    centre = np.full(2, (size - 1) / 2)
    shift = size * target.shift[pair].double().numpy() + centre - linear @ centre
    return np.hstack((linear, shift[:, None]))


def _describe(
    params: ViewParams, target: RelativeMap, pair: int, size: int
) -> list[tuple[str, str]]:
    """Returns lines of text with their colours: geometry, colours, further effects per view."""
    rotation, scale, right, down, *colours = in_words(target, pair, digits=0).items()
    geometry = f"{' '.join(rotation)}   {' '.join(scale)}   shift {right[1]}, {down[1]} of the side"
    seen = "   ".join(f"{name} {text}" for name, text in colours if text)
    looks = [(f"view {view + 1}: {look(params, pair, view, size)}", MUTED) for view in (0, 1)]
    return [(geometry, INK), (seen or "no colour to compare", INK), *looks]


def in_words(target: RelativeMap, pair: int, *, digits: int) -> dict[str, str]:
    """Returns name -> value of each part of a map; empty for colours that grey or Sobel removed.

    Args:
        digits: decimals of the rotation (degrees) and the shift (% of the side).
    """
    sin, cos = target.rotation[pair].tolist()
    across, down = (100 * target.shift[pair]).tolist()
    hue, saturation, gain, bias = target.colour[pair].tolist()
    colours = {
        "hue": f"{signed(math.degrees(hue), 0)}°",
        "saturation": f"×{math.exp(saturation):.2f}",
        "gain": f"×{math.exp(gain):.2f}",
        "bias": signed(bias, 0),
    }
    valid = target.colour_valid[pair].tolist()
    return {
        "rotation": f"{signed(math.degrees(math.atan2(sin, cos)), digits)}°",
        "scale": f"×{math.exp(float(target.log_scale[pair])):.2f}",
        "shift right": f"{signed(across, digits)} %",
        "shift down": f"{signed(down, digits)} %",
        **{n: text if on else "" for (n, text), on in zip(colours.items(), valid, strict=True)},
    }


def look(params: ViewParams, pair: int, view: int, size: int) -> str:
    """Describes the effects on a view that no map undoes.

    Args:
        params: of a batch.
        pair: row of the batch.
        view: column of the batch.
        size: S.
    """
    grey, blur, noise, cutout, sobel = (
        field[pair, view]
        for field in (params.grey, params.blur, params.noise, params.cutout, params.sobel)
    )
    u0, v0, u1, v1, _ = cutout.tolist()
    is_cut = u0 < u1 and v0 < v1
    parts = (
        ("grey", bool(grey)),
        (f"blur {float(blur):.1f} px", float(blur) > 0),
        (f"noise {float(noise):.0f}", float(noise) > 0),
        (f"cut-out {100 * (u1 - u0) / size:.0f} × {100 * (v1 - v0) / size:.0f} %", is_cut),
        ("Sobel", bool(sobel)),
    )
    return ", ".join(text for text, on in parts if on) or "plain"


def signed(value: float, digits: int) -> str:
    """Formats `value` with its sign, a true minus, `digits` decimals, and no negative zero."""
    text = f"{value:+.{digits}f}"
    return "0" if float(text) == 0 else text.replace("-", "−")
