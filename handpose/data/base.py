"""Base class of datasets: one `Sample` per hand, and labels without pixels."""

from abc import ABC, abstractmethod
from typing import Any, Literal, NamedTuple

import numpy as np

from handpose.records import Crop, Sample

Split = Literal["train", "val", "test"]
Strata = tuple[tuple[int, float], ...]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
NO_PIXELS = np.empty((0, 0, 3), dtype=np.uint8)
WHOLE = np.eye(2, 3)  # `Crop.affine` of a whole image
WHOLE.flags.writeable = False


class MissingSplitError(ValueError):
    """A source has no such split on this disk."""


class Joints(NamedTuple):
    """The 2D labels of all N hands of a split."""

    uv: np.ndarray  # (N, J, 2) float32, px of the source images
    valid: np.ndarray  # (N, J) bool
    is_left: np.ndarray  # (N,) bool


class HandDataset(ABC):
    """One split of one source.

    Args:
        split: "train", "val" or "test"; official if the source has them.
        image_size: S, the side in px of the crops to be made of it.
        crop_by: "box": the source's own boxes; "joints": a box about the true joints, as in the
            paper's protocol (it uses labels, also in pre-training).
        max_samples: number of samples to keep, the first ones; None for all.
        packed: whether crops are read from a pack (see `handpose.data.packed`): True builds it if
            it is missing, "auto" uses one of raw crops that is there.
        pack_format: "raw", or "jpeg", which changes the pixels.
    """

    name: str
    # Licence terms.
    terms = "not known to this program; ask those who made the data"
    # Whether the source has only boxes from joints.
    box_from_joints = False
    # The checks of the configuration read these two in the source, without importing it:
    is_never_labelled = False  # no hand of it ever has joints
    landmarks: tuple[str, ...] = ()  # paths below the root, one of which always exists

    def __init_subclass__(cls, **options: Any) -> None:
        """Let a source that changes what it yields do so without pixels too."""
        super().__init_subclass__(**options)
        if "__getitem__" in vars(cls):  # what it inherits knows nothing of the change
            for name in ("without_pixels", "with_pixels"):
                if name not in vars(cls):
                    setattr(cls, name, getattr(HandDataset, name))

    def __init__(
        self,
        *,
        split: Split,
        image_size: int = 128,
        crop_by: str = "box",
        max_samples: int | None = None,
        packed: bool | str = "auto",
        pack_format: str = "raw",
    ) -> None:
        if pack_format == "jpeg" and packed is not True:
            raise ValueError(
                f"dataset.pack_format=jpeg with dataset.packed={str(packed).lower()}: JPEG changes "
                "the pixels, so its use is not left to what lies on a disk; set dataset.packed=true"
            )
        if crop_by not in ("box", "joints"):
            raise ValueError(f"dataset.crop_by={crop_by}: choose box or joints")
        self.split = split
        self.image_size = image_size
        self.crop_by = crop_by
        self.max_samples = max_samples
        self.packed = packed
        self.pack_format = pack_format

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of hands."""

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """Return the hand at `index`, in the frame of its source image."""

    def without_pixels(self, index: int) -> Sample:
        """Return the hand at `index` with an empty image (0, 0, 3); override to read no image.

        Its `crop` states the size of the source image.
        """
        return drop_pixels(self[index])

    def with_pixels(self, index: int, sample: Sample) -> Sample:
        """Return the hand at `index`; override to read only the image.

        Args:
            index: of the hand.
            sample: what `without_pixels` returned for it.
        """
        return self[index]

    @property
    @abstractmethod
    def identities(self) -> np.ndarray:
        """(N,) int64, equal for samples of the same pose; read without pixels."""

    @property
    def capture_groups(self) -> np.ndarray:
        """(N,) int64, equal for samples of one video or session; else the identities."""
        return self.identities

    @property
    def cut_groups(self) -> dict[str, np.ndarray]:
        """{source: its capture groups (G,) int64 in this split} if the split is our own cut."""
        return {}

    def sample_keys(self) -> list[str]:
        """Return the `Sample.key` of all hands; override to know them without pixels."""
        return [self[index].key for index in range(len(self))]

    def joints(self) -> Joints:
        """Return the 2D labels of all hands; override to read them without pixels."""
        samples = [self[index] for index in range(len(self))]
        return Joints(
            uv=np.stack([sample.uv for sample in samples]),
            valid=np.stack([sample.uv_valid for sample in samples]),
            is_left=np.array([sample.side == "left" for sample in samples]),
        )

    @abstractmethod
    def poses(self, indices: np.ndarray | None = None) -> np.ndarray:
        """Return the complete poses of hands as right hands (M, J, 3), metres, without pixels.

        Args:
            indices: of the hands; None for all.
        """

    @property
    def has_aligned_error(self) -> bool:
        """Whether any hand has a camera and three joints in 3D."""
        return len(self.poses()) > 0

    @property
    def fingerprint(self) -> str | None:
        """Equal for splits of the same samples in the same order; None if unknown.

        Results from a split without a fingerprint are not reused by other runs, and its crops
        cannot be packed.
        """
        return None

    @property
    def box_rule(self) -> str:
        """All that decides the boxes beside the fingerprint."""
        return self.crop_by

    @property
    def whole(self) -> "HandDataset":
        """The split with whole images, where this one reads crops."""
        return self

    @property
    def strata(self) -> Strata:
        """(samples, share of a training epoch) of each source; a mix has several."""
        return ((len(self), 1.0),)

    @property
    def is_labelled(self) -> bool:
        """Whether any hand has joints, so that fine-tuning on the source makes sense."""
        return not self.is_never_labelled

    @property
    def crops_by_labels(self) -> bool:
        """Whether joint labels decide the crops, and so take part in pre-training."""
        return self.crop_by == "joints" or self.box_from_joints

    def choose_box(self, box: np.ndarray, uv: np.ndarray, uv_valid: np.ndarray) -> np.ndarray:
        """Return the box (3,) that `crop_by` asks for.

        Args:
            box: (3,) of the source: centre u, centre v, side in px.
            uv: (J, 2) px.
            uv_valid: (J,) bool.
        """
        return box if self.crop_by == "box" or not uv_valid.any() else joint_box(uv[uv_valid])


def drop_pixels(sample: Sample) -> Sample:
    """Return a sample with an empty image (0, 0, 3), and the source's size in its `crop`."""
    height, width = sample.image.shape[:2]
    return sample._replace(image=NO_PIXELS, crop=sample.crop or Crop(np.eye(2, 3), width, height))


def joint_box(uv: np.ndarray) -> np.ndarray:
    """Return the square (3,) about joints (N, 2): their mean, and twice the largest distance."""
    centre = uv.mean(axis=0)
    radius = np.linalg.norm(uv - centre, axis=1).max()
    return np.array([*centre, max(2 * radius, 1.0)], dtype=np.float32)
