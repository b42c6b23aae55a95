"""A source whose hands are cropped by boxes from elsewhere: the second pass of an evaluation."""

import numpy as np

from handpose.data.base import HandDataset, joint_box
from handpose.records import Sample

# A second box this many times larger or smaller than the first is no hand's.
_MAX_RATIO = 5.0


class Recropped(HandDataset):
    """`source` with the boxes about predicted joints, where those are usable.

    These are boxes as of `crop_by=joints`: they suit a model that was trained on such.

    Args:
        source: where the hands come from.
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

    @property
    def identities(self) -> np.ndarray:
        return self.source.identities

    def poses(self, indices: np.ndarray | None = None) -> np.ndarray:
        return self.source.poses(indices)


def recrop(sample: Sample, box: np.ndarray) -> Sample:
    """`sample` with `box` (3,), where that is usable."""
    return sample._replace(box=box) if is_usable(box, sample) else sample


def is_usable(box: np.ndarray, sample: Sample) -> bool:
    """Whether a box (3,) is finite, its centre on the picture, and its side like the first's."""
    height, width = sample.image.shape[:2]
    if not np.isfinite(box).all():
        return False
    on_picture = -0.5 <= box[0] <= width - 0.5 and -0.5 <= box[1] <= height - 0.5
    ratio = box[2] / sample.box[2]
    return bool(on_picture and 1 / _MAX_RATIO <= ratio <= _MAX_RATIO)
