"""Names and writes images that are made of a user's images."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

import cv2
import numpy as np


def stems(names: Iterable[str]) -> Callable[[str], str]:
    """Return a function from a name to that name without its suffix.

    It is the whole name where another one has the same stem.

    Args:
        names: all of them, paths with / between their parts.
    """
    paths = [PurePosixPath(name) for name in names]
    # The stem of b.png.jpg is the name of b.png, which may need it.
    counts = Counter([*paths, *(path.with_suffix("") for path in paths)])

    def stem_of(name: str) -> str:
        stem = PurePosixPath(name).with_suffix("")
        return str(stem) if counts[stem] < 2 else name

    return stem_of


def write_jpeg(path: Path, image: np.ndarray, *, quality: int = 95) -> None:
    """Write (H, W, 3) uint8 RGB as JPEG.

    Args:
        path: its folder is created if missing.
        image: the image.
        quality: of JPEG, 0 to 100.

    Raises:
        OSError: it cannot be written; names the file.
    """
    options = (cv2.IMWRITE_JPEG_QUALITY, quality)
    done, packed = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), options)
    assert done, "this OpenCV cannot write JPEG"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(packed.tobytes())
