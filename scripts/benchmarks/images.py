"""JPEG files for benchmarks: rendered hands with camera noise on cluttered backgrounds."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from handpose.data.synthetic.backdrop import paint_backdrop
from handpose.data.synthetic.render import render_right_hand
from handpose.data.workers import process_context

BOX = 0.6  # side of the hand's box over the image's height


def write_images(
    folder: Path, count: int, height: int, width: int, quality: int, *, processes: int = 1
) -> list[Path]:
    """Renders the images. Those of 224 px have about FreiHAND's file size at quality 95.

    Args:
        folder: made here.
        count: number of images, each another one.
        height: in px.
        width: in px, at least the height.
        quality: of the JPEG files.
        processes: how many render at a time; the files do not depend on it.

    Returns:
        The paths of the files.
    """
    folder.mkdir()
    paths = [folder / f"{number:04d}.jpg" for number in range(count)]
    write = partial(_write_image, height=height, width=width, quality=quality)
    if processes == 1:
        for number, path in enumerate(paths):
            write(number, path)
        return paths
    with ProcessPoolExecutor(processes, mp_context=process_context()) as pool:
        list(pool.map(write, range(count), paths, chunksize=8))
    return paths


def _write_image(number: int, path: Path, *, height: int, width: int, quality: int) -> None:
    rng = np.random.default_rng([height, number])
    image = paint_backdrop(rng, width)[:height]
    hand, _ = render_right_hand(rng, size=height, orientation="upright")
    left = (width - height) // 2
    image[:, left : left + height] = hand.image
    image += rng.normal(0, rng.uniform(3, 7), image.shape)
    grainy = image.clip(0, 255).astype(np.uint8)[..., ::-1]
    cv2.imwrite(str(path), grainy, [cv2.IMWRITE_JPEG_QUALITY, quality])
