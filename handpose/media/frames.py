"""Images from files, arrays and PIL images."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import PIL.ImageOps

from handpose.data.images import read_image
from handpose.files import shown

_ACCEPTED = (
    "a list of images, each a (H, W, 3) uint8 RGB array, a (H, W) uint8 grey array, a PIL image of "
    "8 bits a channel, or the path of an image file"
)
_PIL_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")  # 8 bits a channel


class Frame(NamedTuple):
    """An image of a file, video or camera."""

    source: str  # the file's name or path below the given folder, or the camera's name
    number: int | None  # from 0, of a video or camera
    image: np.ndarray  # (H, W, 3) uint8 RGB
    time: float | None = None  # seconds from the start of a video or camera


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
    return isinstance(images, str | Path | PIL.Image.Image | np.ndarray) or _is_tensor(images)


def _is_tensor(image: Any) -> bool:
    """Returns whether it is a torch tensor; torch need not be imported for that."""
    return type(image).__module__.partition(".")[0] == "torch" and hasattr(image, "dtype")


def _described(image: Any) -> str:
    if isinstance(image, PIL.Image.Image):
        return f"PIL image of mode {image.mode}"
    if not isinstance(image, np.ndarray) and not _is_tensor(image):
        return type(image).__name__
    kind = "array" if isinstance(image, np.ndarray) else "torch tensor"
    return f"{image.dtype} {kind} of shape {tuple(image.shape)}"


def _advice(image: Any) -> str:
    """Returns how to convert an image that is refused."""
    if _is_tensor(image):
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
