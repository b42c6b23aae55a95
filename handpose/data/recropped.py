"""A source with predicted boxes, for the second pass of an evaluation."""

import numpy as np

from handpose.data.base import HandDataset, joint_box
from handpose.records import Sample

# A second box this many times larger or smaller than the first is not a hand's.
_MAX_RATIO = 5.0


class Recropped(HandDataset):
    """A source with the boxes about predicted joints, if those are usable.

    The boxes are those of `crop_by=joints`, and suit a model trained with it.

    Args:
        uv: (N, J, 2) predicted joints in px of the source images.
    """

    def __init__(self, source: HandDataset, uv: np.ndarray) -> None:
        super().__init__(split=source.split, image_size=source.image_size, crop_by=source.crop_by)
        self.name = source.name
        self.source = source
        self.boxes = np.stack([joint_box(joints) for joints in uv])

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Sample:
        return recrop(self.source[index], self.boxes[index])

    def without_pixels(self, index: int) -> Sample:
        return recrop(self.source.without_pixels(index), self.boxes[index])

    @property
    def identities(self) -> np.ndarray:
        return self.source.identities

    def poses(self, indices: np.ndarray | None = None) -> np.ndarray:
        return self.source.poses(indices)


def recrop(sample: Sample, box: np.ndarray) -> Sample:
    """Return `sample` with another box if that is usable.

    Args:
        box: (3,) px of its image.
    """
    return sample._replace(box=box) if _is_usable(box, sample) else sample


def _is_usable(box: np.ndarray, sample: Sample) -> bool:
    """Return whether a box is finite, centred on the image and about the first one's size."""
    height, width = sample.image.shape[:2]
    if sample.crop is not None:
        width, height = sample.crop.width, sample.crop.height
    if not np.isfinite(box).all():
        return False
    on_image = -0.5 <= box[0] <= width - 0.5 and -0.5 <= box[1] <= height - 0.5
    return bool(on_image and 1 / _MAX_RATIO <= box[2] / sample.box[2] <= _MAX_RATIO)
