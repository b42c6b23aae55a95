"""Reads an image from disk."""

import errno
import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
import PIL.Image
import simplejpeg

from handpose.augment.pixels import new_image, reuses_memory
from handpose.files import LARGEST_IMAGE, read_regular

_JPEG, _PNG, _TIFF = b"\xff\xd8", b"\x89PNG\r\n\x1a\n", (b"II*\0", b"MM\0*")
# Far more than any hand image. A header that claims more would take gigabytes of memory.
_MOST_PIXELS = 100_000_000
_ORIENTATION = 0x0112  # EXIF's tag
_AS_STORED = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
_UPRIGHT = cv2.IMREAD_COLOR_RGB


def read_image(path: Path, *, upright: bool = False) -> np.ndarray:
    """Read an image as (H, W, 3) uint8 RGB.

    Greyscale becomes three equal channels; transparency is dropped.

    Inside `reusing_memory`, a JPEG comes as the first three channels of four.

    Args:
        upright: apply the EXIF orientation, as viewers do. If False, keep the stored orientation,
            as the labels of datasets ignore EXIF.

    Raises:
        ValueError: missing, empty, cut short, corrupt, too large or not an image; names the file.
    """
    try:
        content = read_regular(path, most=LARGEST_IMAGE)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            raise  # the image itself may be fine
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        return _decode(content, _UPRIGHT if upright else _AS_STORED)
    except ValueError as error:
        raise ValueError(f"{path}: {error} ({len(content)} bytes)") from error


def is_turned(path: Path) -> bool:
    """Return whether EXIF turns a readable image."""
    with path.open("rb") as file:
        start = file.read(1 << 16)
        return (b"Exif" in start or not start.startswith(_JPEG)) and _has_turn(file)


def _decode(content: bytes, flags: int) -> np.ndarray:
    """Raises ValueError with what is wrong with the image."""
    if content.startswith(_JPEG):
        return _decode_jpeg(content, flags)
    if content.startswith(_PNG) and len(content) >= 24:
        _check_size(*struct.unpack(">II", content[16:24]))
    elif content:
        _check_stated_size(content)
    if content.startswith(_TIFF) and flags == _AS_STORED and _has_turn(io.BytesIO(content)):
        raise ValueError("OpenCV turns a TIFF as its EXIF says; save it without an orientation")
    return _decode_by_opencv(content, flags)


def _decode_jpeg(content: bytes, flags: int) -> np.ndarray:
    """Decode with simplejpeg: OpenCV's pixels, faster, and an error for a cut file.

    OpenCV decodes the lower part of a cut JPEG as grey without an error. So what is left to it
    (greyscale, CMYK) must have its end marker.
    """
    height, width, colours, _ = _strictly(simplejpeg.decode_jpeg_header, content)
    _check_size(width, height)
    if colours in ("YCbCr", "RGB"):
        image = _strictly(decode_pixels, content, height, width)
        turned = flags == _UPRIGHT and _has_turn(io.BytesIO(content))
        return _decode_by_opencv(content, flags) if turned else image
    if b"\xff\xd9" not in content[-64:]:
        raise ValueError("the JPEG is cut short: it has no end marker")
    return _decode_by_opencv(content, flags)


def decode_pixels(content: Any, height: int, width: int) -> np.ndarray:
    """Decode a JPEG of known size to (H, W, 3) uint8, inside `reusing_memory` of four channels.

    Args:
        content: bytes of the file.
        height: H.
        width: W.

    Raises:
        ValueError: it is cut short or corrupt.
    """
    if not reuses_memory():
        return simplejpeg.decode_jpeg(content)
    image = new_image(height, width)
    simplejpeg.decode_jpeg(content, "RGBA", buffer=image)
    return image[..., :3]


def _strictly(read: Callable[..., Any], content: bytes, *size: int) -> Any:
    try:
        return read(content, *size)
    except ValueError as error:
        raise ValueError(f"the JPEG is cut short or corrupt: {error}") from error


def _has_turn(file: BinaryIO) -> bool:
    """Return whether the header has an EXIF turn; reads the header only."""
    try:
        with PIL.Image.open(file) as image:
            return image.getexif().get(_ORIENTATION, 1) not in (0, 1)
    except (OSError, ValueError, SyntaxError):  # a malformed header
        return False


def _decode_by_opencv(content: bytes, flags: int) -> np.ndarray:
    """Decode with OpenCV; raises ValueError if it returns None or fails."""
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    except cv2.error:
        image = None
    if image is None:
        raise ValueError("not an image that OpenCV can read")
    return image


def _check_stated_size(content: bytes) -> None:
    """Check the size in the header with Pillow, for formats of many versions."""
    try:
        with PIL.Image.open(io.BytesIO(content)) as image:
            size = image.size
    except PIL.Image.DecompressionBombError as error:
        raise ValueError(f"the header states too many pixels: {error}") from None
    except (OSError, ValueError):
        raise ValueError("not an image that can be read") from None
    _check_size(*size)


def _check_size(width: int, height: int) -> None:
    if width * height > _MOST_PIXELS:
        raise ValueError(f"the header states {width} x {height} px, over {_MOST_PIXELS:,} in all")
