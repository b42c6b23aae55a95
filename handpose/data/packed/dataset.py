"""A split whose images are read from a pack: samples are crops of their source images."""

from typing import Any

import numpy as np

from handpose.data.base import HandDataset, Joints, Strata
from handpose.data.packed.pack import Pack
from handpose.records import Sample


class Packed(HandDataset):
    """A source, with crops from a pack in place of its images.

    Args:
        source: the hands; its labels are read as before.
        pack: their crops.
    """

    def __init__(self, source: HandDataset, pack: Pack) -> None:
        super().__init__(
            split=source.split,
            image_size=source.image_size,
            crop_by=source.crop_by,
            max_samples=source.max_samples,
            packed=source.packed,
            pack_format=source.pack_format,
        )
        assert len(pack) == len(source), "the pack is of another source"
        self.name = source.name
        self.terms = source.terms
        self.source = source
        self.pack = pack

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Sample:
        return self.with_pixels(index, self.source.without_pixels(index))

    def with_pixels(self, index: int, sample: Sample) -> Sample:
        return sample._replace(image=self.pack.image(index), crop=self.pack.crop(index))

    def without_pixels(self, index: int) -> Sample:
        return self.source.without_pixels(index)

    @property
    def whole(self) -> HandDataset:
        return self.source

    @property
    def identities(self) -> np.ndarray:
        return self.source.identities

    @property
    def capture_groups(self) -> np.ndarray:
        return self.source.capture_groups

    @property
    def cut_groups(self) -> dict[str, np.ndarray]:
        return self.source.cut_groups

    def sample_keys(self) -> list[str]:
        return self.source.sample_keys()

    def joints(self) -> Joints:
        return self.source.joints()

    def poses(self, indices: np.ndarray | None = None) -> np.ndarray:
        return self.source.poses(indices)

    @property
    def has_aligned_error(self) -> bool:
        return self.source.has_aligned_error

    @property
    def fingerprint(self) -> str | None:
        return self.source.fingerprint

    @property
    def box_rule(self) -> str:
        return self.source.box_rule

    @property
    def strata(self) -> Strata:
        return self.source.strata

    @property
    def is_labelled(self) -> bool:
        return self.source.is_labelled

    @property
    def crops_by_labels(self) -> bool:
        return self.source.crops_by_labels

    def __getattr__(self, name: str) -> Any:
        """Return what a kind of source has beside the contract, such as the index on disk."""
        if name.startswith("__") or name == "source":
            raise AttributeError(name)
        return getattr(self.source, name)
