"""Pages from Jinja2 templates: one self-contained file each, without network or scripts.

A page extends `report/templates/base.html.jinja` and takes its tables and figures from
`report/templates/parts.html.jinja`.
"""

import base64
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

import handpose
from handpose.report.rows import shown
from handpose.report.style import PIXELS_PER_INCH

_LARGE = 150_000  # bytes; larger PNGs hold photographs, which WebP packs ten times smaller
_QUALITY = 84


class PageImage(NamedTuple):
    """An image as a page holds it."""

    uri: str
    width: int  # px of the page
    height: int


def render(template: str, **values: Any) -> str:
    """Renders a page.

    Args:
        template: path relative to the package, such as "report/templates/report.html.jinja".
        values: the template's variables; text in them is escaped.
    """
    return _environment().get_template(template).render(values)


def fragment(template: str, macro: str, **values: Any) -> str:
    """Renders one macro of a template, for a part of a page.

    Args:
        template: path relative to the package.
        macro: its name in the template.
        values: the macro's arguments; text in them is escaped.
    """
    return str(getattr(_environment().get_template(template).module, macro)(**values))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(handpose.__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"shown": shown, "page_image": page_image}
    return environment


def page_image(png: bytes) -> PageImage:
    """Embeds a figure. One with photographs is packed as WebP."""
    image = cv2.imdecode(np.frombuffer(png, dtype=np.uint8), cv2.IMREAD_COLOR_RGB)
    assert image is not None, "a figure is not a PNG"
    height, width = (100 * length // PIXELS_PER_INCH for length in image.shape[:2])
    return PageImage(image_uri(image) if len(png) > _LARGE else _uri(png, "png"), width, height)


def image_uri(image: np.ndarray) -> str:
    """Embeds an image (H, W, 3) uint8 RGB as WebP."""
    done, packed = cv2.imencode(".webp", image[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])
    assert done, "this OpenCV cannot write WebP"
    return _uri(packed.tobytes(), "webp")


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
