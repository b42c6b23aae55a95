"""Pieces of HTML: escaped text, numbers with their exact value, figures as inline images."""

import base64
from html import escape

import cv2
import numpy as np

from handpose.report.rows import Value, shown
from handpose.report.style import PIXELS_PER_INCH

_LARGE = 150_000  # bytes; PNGs above it hold photographs, which WebP packs ten times smaller
_QUALITY = 84


def number(value: Value, *, unit: str = "", text: str | None = None) -> str:
    """A value as people read it, with the exact one beside it for programs."""
    words = escape(text if text is not None else shown(value, unit=unit))
    if value is None:
        return f'<span class="muted">{words}</span>'
    return f'<data value="{escape(str(value))}">{words}</data>'


def figure(png: bytes, *, alt: str, caption: str, narrowest: int = 0) -> str:
    """A figure on its white card; below `narrowest` px of width it scrolls rather than shrinks."""
    height, width = _size(png)
    style = f"width:min({width}px,100%)" + (
        f";min-width:{min(width, narrowest)}px" if narrowest else ""
    )
    return (
        f'<figure><div class="picture"><img src="{data_uri(png)}" alt="{escape(alt)}" '
        f'width="{width}" height="{height}" style="{style}"></div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _size(png: bytes) -> tuple[int, int]:
    """Height and width in px of the page."""
    height, width = _decode(png).shape[:2]
    return 100 * height // PIXELS_PER_INCH, 100 * width // PIXELS_PER_INCH


def data_uri(png: bytes) -> str:
    """The picture itself as an address; one with photographs is packed as WebP."""
    kind, packed = "png", png
    if len(png) > _LARGE:
        kind = "webp"
        done, array = cv2.imencode(".webp", _decode(png), [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])
        assert done, "this OpenCV cannot write WebP"
        packed = array.tobytes()
    return f"data:image/{kind};base64,{base64.b64encode(packed).decode()}"


def _decode(png: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(png, dtype=np.uint8), cv2.IMREAD_COLOR)
    assert image is not None, "a figure is not a PNG"
    return image
