"""The part of a source image that the views of an augmentation can show.

Every path from a sample to its views goes through this crop. So views are equal whether the crop is
made from a decoded image or was stored before. S side of a view in px.
"""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from handpose.augment.geometric import halved, halvings
from handpose.augment.pixels import with_own_fourth
from handpose.augment.settings import Augmentation
from handpose.records import Crop, Sample

# A crop starts and ends at whole blocks of this many px, or at the image's border. So its halvings
# are those of the whole image.
_BLOCK = 16
_MARGIN = 2.0  # px of the view, or of the image if those are larger: for the interpolation
_DIGITS = 6  # of the reach in box sides, rounded up: equal on all machines
_RIGHT, _LEFT, _DOWN, _UP = 0.0, math.pi, math.pi / 2, -math.pi / 2  # v points down


class Window(NamedTuple):
    """A part of a source image, halved a number of times."""

    columns: slice  # px of the source image
    rows: slice
    halvings: int

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in px after the halvings."""
        factor = 1 << self.halvings
        width, height = (span.stop - span.start for span in (self.columns, self.rows))
        return -(-width // factor), -(-height // factor)

    @property
    def affine(self) -> np.ndarray:
        """(2, 3) float64, px of the source image -> px of the window."""
        scale = 1 / (1 << self.halvings)
        shift = 0.5 * scale - 0.5
        u, v = shift - scale * self.columns.start, shift - scale * self.rows.start
        return np.array([[scale, 0.0, u], [0.0, scale, v]])

    def cut(self, image: np.ndarray) -> np.ndarray:
        """Returns this part of an image (H, W, 3) uint8, halved; not copied if never halved."""
        part = image[self.rows, self.columns]
        if self.halvings == 0:
            return part
        part = with_own_fourth(part)
        for _ in range(self.halvings):
            part = halved(part)
        return part[..., :3]


@dataclass(frozen=True)
class Reach:
    """How far views reach from the centre of the box, for a right hand, and how fine they are.

    Attributes:
        left: Box sides.
        right: Box sides.
        up: Box sides.
        down: Box sides.
        finest: Smallest side of a crop, box sides.
        coarsest: Largest side of a crop, box sides.
        size: S.
    """

    left: float
    right: float
    up: float
    down: float
    finest: float
    coarsest: float
    size: int

    def window(self, box: np.ndarray, *, is_left: bool, width: int, height: int) -> Window:
        """Returns the part of an image that the views of a hand can show.

        Args:
            box: (3,) centre u, centre v, side, in px of the image.
            is_left: Whether the hand is a left one, whose views are mirrored.
            width: Of the image, px.
            height: Of the image, px.
        """
        u, v, side = box.tolist()
        left, right = (self.right, self.left) if is_left else (self.left, self.right)
        margin = _MARGIN * max(1.0, self.coarsest * side / self.size)
        times = halvings(self.size / (self.finest * side))
        block = max(_BLOCK, 1 << times)
        return Window(
            _span(u - left * side - margin, u + right * side + margin, width, block),
            _span(v - self.up * side - margin, v + self.down * side + margin, height, block),
            times,
        )

    def crop(self, sample: Sample) -> Sample:
        """Returns a sample whose image is what views can show; a cropped one as it is."""
        if sample.crop is not None:
            return sample
        height, width = sample.image.shape[:2]
        is_left = sample.side == "left"
        window = self.window(sample.box, is_left=is_left, width=width, height=height)
        return sample._replace(
            image=window.cut(sample.image), crop=Crop(window.affine, width, height)
        )

    def outline(self, sample: Sample) -> Sample:
        """Returns what `crop` would, with an image (H, W, 0): its size and no pixels.

        Args:
            sample: Without pixels; its `crop` states the size of the source image.
        """
        assert sample.crop is not None, "a sample without pixels states its source's size"
        width, height = sample.crop.width, sample.crop.height
        is_left = sample.side == "left"
        window = self.window(sample.box, is_left=is_left, width=width, height=height)
        image = np.empty((*window.size[::-1], 0), dtype=np.uint8)
        return sample._replace(image=image, crop=Crop(window.affine, width, height))


def onto_crops(affines: np.ndarray, crop_affines: np.ndarray) -> np.ndarray:
    """Returns the maps (..., 2, 3) of views from the crops of their samples.

    Args:
        affines: (..., 2, 3) float64, px of the source image -> px of the view.
        crop_affines: (..., 2, 3) float64, px of the source image -> px of the crop.
    """
    linear = affines[..., :2] / crop_affines[..., :1, :1]  # exact: a power of 2
    du, dv = crop_affines[..., 0, 2, None], crop_affines[..., 1, 2, None]
    shift = affines[..., 2] - (linear[..., 0] * du + linear[..., 1] * dv)
    return np.concatenate((linear, shift[..., None]), axis=-1)


def is_same_crop(first: Crop | None, second: Crop | None) -> bool:
    """Returns whether two crops are the same part of their source, as fine.

    Args:
        first: One; None: the whole source.
        second: The other.
    """
    if first is None or second is None:
        return first is second
    return first.affine.tobytes() == second.affine.tobytes()


def reach_of(settings: Collection[Augmentation], size: int) -> Reach:
    """Returns the common reach of augmentations.

    Args:
        settings: One or several.
        size: S.
    """
    return _union(frozenset(settings), size)


@lru_cache(maxsize=64)
def _union(settings: frozenset[Augmentation], size: int) -> Reach:
    left, right, up, down = (
        _rounded_up(max(ends)) for ends in zip(*map(_extents, settings), strict=True)
    )
    margins = [end for one in settings for end in _margins(one)]
    return Reach(left, right, up, down, min(margins), max(margins), size)


def _margins(settings: Augmentation) -> tuple[float, float]:
    """Smallest and largest side of a crop, in box sides."""
    low, high = settings.margin_range
    return (low, high) if settings.random_crop else (settings.margin, settings.margin)


def _extents(settings: Augmentation) -> tuple[float, ...]:
    """How far views reach left, right, up and down of the box's centre, in box sides."""
    along_source = settings.crop and settings.shift_along == "source"
    low, high = settings.shift if along_source else (0.0, 0.0)
    shifts = {_LEFT: -low, _RIGHT: high, _UP: -low, _DOWN: high}
    angles = map(math.radians, settings.angle if settings.rotate else (0.0, 0.0))
    first, last = angles
    farthest = list(_farthest(settings))
    return tuple(
        shift
        + max(
            radius * _largest_cosine(direction - last - towards, direction - first - towards)
            for radius, direction in farthest
        )
        for towards, shift in shifts.items()
    )


def _farthest(settings: Augmentation) -> Iterator[tuple[float, float]]:
    """Radius (box sides) and direction (rad) of the points farthest from the box, unrotated.

    They are the corners of the largest crop; a shift along the view's axes moves and turns with it.
    """
    half = _margins(settings)[1] / 2
    along_view = settings.crop and settings.shift_along == "view"
    low, high = settings.shift if along_view else (0.0, 0.0)
    ends = (low - half, high + half)
    for u in ends:
        for v in ends:
            yield math.hypot(u, v), math.atan2(v, u)


def _largest_cosine(low: float, high: float) -> float:
    """The largest cosine of the angles (rad) from `low` to `high`."""
    turns = math.floor(high / math.tau)
    return 1.0 if turns * math.tau >= low else max(math.cos(low), math.cos(high))


def _rounded_up(number: float) -> float:
    """Rounds up, so that the last bit of a cosine does not matter."""
    return math.ceil(round(number * 10**_DIGITS, 3)) / 10**_DIGITS


def _span(low: float, high: float, length: int, block: int) -> slice:
    """The blocks of an axis of `length` px that [low, high] shows, directly or reflected."""
    last = length - 1
    start, stop = min(low, 2 * last - high), max(high, -low)
    first, end = math.floor(start / block) * block, math.floor(stop / block + 1) * block
    return slice(max(0, first), min(length, end))
