"""Names and writes the stored images."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from handpose.media.images import Frame

_QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 95)


class ImageNames:
    """Names stored images after their source.

    crops/clip.mp4/000012000-0.jpg is the first hand at 12 s, crops/a/b-0.jpg that of a/b.png;
    whole frames have no number behind them, and are below frames/.

    Args:
        names: of the single images of the input.
        frames: whole frames are stored.
    """

    def __init__(self, names: Iterable[str], *, frames: bool) -> None:
        sources = [PurePosixPath(name) for name in names]
        # The stem of b.png.jpg is the name of b.png, which may need it.
        self._stems = Counter([*sources, *(source.with_suffix("") for source in sources)])
        self._folder = "frames" if frames else "crops"
        self._frames = frames

    def name(self, frame: Frame, place: int) -> str:
        """Return the path of a stored image below the folder of the collection.

        Args:
            frame: that it is of.
            place: its number among the images of that frame.
        """
        source = PurePosixPath(frame.source)
        if frame.time is not None:
            stem = source / f"{int(1000 * frame.time + 1e-6):09d}"
        else:
            stem = source.with_suffix("")
            stem = stem if self._stems[stem] < 2 else source
        number = "" if self._frames else f"-{place}"
        return f"{self._folder}/{stem}{number}.jpg"


def write_jpeg(path: Path, image: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB as JPEG.

    Args:
        path: its folder is made if missing.
        image: of it.

    Raises:
        OSError: it cannot be written; names the file.
    """
    done, packed = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), _QUALITY)
    assert done, "this OpenCV cannot write JPEG"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(packed.tobytes())
