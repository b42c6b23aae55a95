"""Names the stored images."""

from collections.abc import Iterable

from handpose.media.frames import Frame
from handpose.media.image_files import stems


class ImageNames:
    """Names stored images after their source.

    crops/clip.mp4/000012000-0.jpg is the first hand at 12 s, crops/a/b-0.jpg that of a/b.png;
    whole frames have no number behind them, and are below frames/.

    Args:
        names: of the single images of the input.
        frames: whole frames are stored.
    """

    def __init__(self, names: Iterable[str], *, frames: bool) -> None:
        self._stem_of = stems(names)
        self._folder = "frames" if frames else "crops"
        self._frames = frames

    def name(self, frame: Frame, place: int) -> str:
        """Return the path of a stored image below the folder of the collection.

        Args:
            frame: that it is of.
            place: its number among the images of that frame.
        """
        if frame.time is not None:
            stem = f"{frame.source}/{int(1000 * frame.time + 1e-6):09d}"
        else:
            stem = self._stem_of(frame.source)
        number = "" if self._frames else f"-{place}"
        return f"{self._folder}/{stem}{number}.jpg"
