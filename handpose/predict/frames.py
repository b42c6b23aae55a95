"""Images to predict on: from arrays and PIL images, files, videos and cameras."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
import torch

from handpose.data.images import read_image
from handpose.files import shown

_DEFAULT_RATE = 25.0  # frames per second, where a video or camera does not say
_ACCEPTED = (
    "a list of images, each a (H, W, 3) uint8 RGB array, a (H, W) uint8 grey array, a PIL image of "
    "8 bits a channel, or the path of an image file"
)
_PIL_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")  # 8 bits a channel


class Frame(NamedTuple):
    """An image to predict on."""

    source: str  # the file's name or path below the given folder, or the camera's name
    number: int | None  # from 0, of a video or camera
    image: np.ndarray  # (H, W, 3) uint8 RGB


class Video(NamedTuple):
    """An open video or camera."""

    rate: float  # frames per second
    total: int | None  # number of frames; None if unknown
    frames: Iterator[Frame]


def read_images(paths: Sequence[Path], names: Sequence[str]) -> Iterator[Frame | ValueError]:
    """Yields a frame for each file, turned upright by its EXIF, or the reason why it has none.

    Args:
        paths: image files.
        names: name of each frame.
    """
    for path, name in zip(paths, names, strict=True):
        try:
            if shown(name) != name:
                raise ValueError(f"{shown(name)}: its name is not UTF-8; rename it")
            yield Frame(name, None, read_image(path, upright=True))
        except ValueError as error:
            yield error


@contextmanager
def open_video(place: Path | int, *, limit: int | None = None) -> Iterator[Video]:
    """Opens a video or camera.

    Args:
        place: video file, or number of the camera.
        limit: maximum number of frames; None for all.

    Raises:
        ValueError: it cannot be opened or has no frame.
    """
    name = f"camera:{place}" if isinstance(place, int) else place.name
    capture = cv2.VideoCapture(place if isinstance(place, int) else str(place))
    try:
        has_frame, first = capture.read() if capture.isOpened() else (False, None)
        if not has_frame:
            shown_name = name if isinstance(place, int) else str(place)
            raise ValueError(f"{shown_name}: cannot be opened, or has no frame")
        rate, count = (capture.get(key) for key in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT))
        known = int(count) if isinstance(place, Path) and count > 0 else None
        total = min((n for n in (known, limit) if n is not None), default=None)
        frames = islice(_frames(capture, first, name), limit)
        yield Video(rate if 1 <= rate <= 1000 else _DEFAULT_RATE, total, frames)
    finally:
        capture.release()


def _frames(capture: cv2.VideoCapture, first: Any, name: str) -> Iterator[Frame]:
    """Yields the first frame, which was read already, and all others."""
    number, bgr = 0, first
    while bgr is not None:
        yield Frame(name, number, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
        has_frame, bgr = capture.read()
        number, bgr = number + 1, bgr if has_frame else None


def as_rgb_images(images: Any) -> list[np.ndarray]:
    """Converts each image to (H, W, 3) uint8 RGB.

    Files and PIL images are turned upright by their EXIF. An alpha channel of theirs is dropped.

    Args:
        images: a list of images, or a (B, H, W, 3) uint8 array.

    Raises:
        TypeError: one image instead of a list, or an image of another kind, such as float values.
        ValueError: an image file cannot be read; names it.
    """
    is_batch = isinstance(images, np.ndarray) and images.ndim == 4
    if not is_batch and (_is_one(images) or not isinstance(images, Iterable)):
        raise TypeError(
            f"predict takes {_ACCEPTED}, not one {_described(images)}. Put one image into a list: "
            "predict([image])"
        )
    return [_as_rgb(image, index) for index, image in enumerate(images)]


def _as_rgb(image: Any, index: int) -> np.ndarray:
    if isinstance(image, str | Path):
        return read_image(Path(image), upright=True)
    if isinstance(image, PIL.Image.Image) and image.mode in _PIL_MODES:
        return np.asarray(PIL.ImageOps.exif_transpose(image).convert("RGB"))
    if isinstance(image, np.ndarray) and image.dtype == np.uint8:
        if image.ndim == 3 and image.shape[2] == 3:
            return image
        if image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1):
            return np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
    raise TypeError(
        f"images[{index}]: {_described(image)} cannot be used. predict takes {_ACCEPTED}. "
        f"{_advice(image)}"
    )


def _is_one(images: Any) -> bool:
    return isinstance(images, str | Path | PIL.Image.Image | np.ndarray | torch.Tensor)


def _described(image: Any) -> str:
    if isinstance(image, PIL.Image.Image):
        return f"PIL image of mode {image.mode}"
    kind = {np.ndarray: "array", torch.Tensor: "torch tensor"}.get(type(image))
    return f"{image.dtype} {kind} of shape {tuple(image.shape)}" if kind else type(image).__name__


def _advice(image: Any) -> str:
    """Returns how to convert an image that is refused."""
    if isinstance(image, torch.Tensor):
        return "Convert a (3, H, W) uint8 tensor with image.permute(1, 2, 0).cpu().numpy()."
    if isinstance(image, np.ndarray):
        shape: tuple[int, ...] = image.shape
        if image.dtype != np.uint8:
            return "Scale its values to 0..255, then convert with image.astype(numpy.uint8)."
        if len(shape) == 3 and shape[2] == 4:
            return "Remove the alpha channel with image[..., :3]."
        if len(shape) == 3 and shape[0] in (1, 3):
            return "Put the channels last with image.transpose(1, 2, 0)."
    return "Convert it to one of these."
