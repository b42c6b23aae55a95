"""What a caller hands over as an image -> (H, W, 3) uint8 RGB, or a TypeError that says why not."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps
import torch

from handpose.data.images import read_image

ACCEPTED = (
    "a list of images, each a (H, W, 3) uint8 RGB array, a (H, W) uint8 grey array, a PIL image of "
    "8 bits a channel, or the path of an image file"
)
_PIL_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")  # 8 bits a channel


def as_rgb_images(images: Any) -> list[np.ndarray]:
    """Convert each image to (H, W, 3) uint8 RGB; see `as_rgb`.

    Args:
        images: a list of images, or a (B, H, W, 3) uint8 array.

    Raises:
        TypeError: one image instead of a list, or an image of another kind.
        ValueError: a file is not an image that can be read; names it.
    """
    is_batch = isinstance(images, np.ndarray) and images.ndim == 4
    if not is_batch and (_is_one(images) or not isinstance(images, Iterable)):
        raise TypeError(
            f"predict takes {ACCEPTED}, not one {_described(images)}. Put one image into a list: "
            "predict([image])"
        )
    return [as_rgb(image, name=f"images[{index}]") for index, image in enumerate(images)]


def as_rgb(image: Any, *, name: str) -> np.ndarray:
    """Convert one image to (H, W, 3) uint8 RGB.

    Files and PIL images are turned upright as their EXIF says. Of transparent ones the colours
    beneath are taken.

    Args:
        image: see `ACCEPTED`.
        name: of the image in an error.

    Raises:
        TypeError: an image of another kind, such as float or 16-bit values.
        ValueError: a file is not an image that can be read; names it.
    """
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
        f"{name}: {_described(image)} cannot be used. predict takes {ACCEPTED}. {_advice(image)}"
    )


def _is_one(images: Any) -> bool:
    return isinstance(images, str | Path | PIL.Image.Image | np.ndarray | torch.Tensor)


def _described(image: Any) -> str:
    if isinstance(image, PIL.Image.Image):
        return f"PIL image of mode {image.mode}"
    kind = {np.ndarray: "array", torch.Tensor: "torch tensor"}.get(type(image))
    return f"{image.dtype} {kind} of shape {tuple(image.shape)}" if kind else type(image).__name__


def _advice(image: Any) -> str:
    """How to convert what is not taken, as far as that can be known."""
    if isinstance(image, torch.Tensor):
        return "Convert a (3, H, W) uint8 tensor with image.permute(1, 2, 0).cpu().numpy()."
    if not isinstance(image, np.ndarray):
        return "Convert it to one of these."
    shape: tuple[int, ...] = image.shape
    if image.dtype != np.uint8:
        return "Scale its values to 0..255, then convert with image.astype(numpy.uint8)."
    if len(shape) == 3 and shape[2] == 4:
        return "Remove the alpha channel with image[..., :3]."
    if len(shape) == 3 and shape[0] in (1, 3):
        return "Put the channels last with image.transpose(1, 2, 0)."
    return "Convert it to one of these."
