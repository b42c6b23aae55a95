"""Several sources as one, each with a share of every training epoch.

Only training is mixed. Validation and test have all samples of all sources, once and in order.
Samples with and without 2D or 3D labels can be mixed.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from handpose.data.base import HandDataset, Joints, MissingSplitError, Strata
from handpose.records import Sample

_log = logging.getLogger(__name__)
_IDENTITIES = 1 << 52  # more than any source has


class Mix(HandDataset):
    """One split of several sources.

    Args:
        parts: {name: source, given split, image_size, crop_by and max_samples}; see conf/dataset/.
        sources: names of the parts to use.
        weights: their shares of a training epoch, in the same order; None: equal shares.
        **contract: arguments of `HandDataset`.

    Raises:
        ValueError: an unknown source, or weights that do not fit.
        MissingSplitError: a source has no training split, or none has this split.
    """

    name = "mix"

    def __init__(
        self,
        *,
        parts: Mapping[str, Callable[..., HandDataset]],
        sources: Sequence[str],
        weights: Sequence[float] | None = None,
        **contract: Any,
    ) -> None:
        super().__init__(**contract)
        unknown = [name for name in sources if name not in parts]
        if unknown or not sources or len(set(sources)) < len(sources):
            raise ValueError(
                f"dataset.sources={list(sources)}: name each of {', '.join(parts)} at most once"
            )
        weights = [1.0] * len(sources) if weights is None else list(weights)
        if len(weights) != len(sources) or not all(weight > 0 for weight in weights):
            raise ValueError(
                f"dataset.weights={weights}: null, or a number above 0 for each of {list(sources)}"
            )
        opened = [self._open(parts[name], len(sources)) for name in sources]
        found = [place for place, part in enumerate(opened) if part is not None]
        self.parts = [(part, weights[place]) for place, part in enumerate(opened) if part]
        # Places among all parts, so that numbers do not depend on which others are used.
        self._places = [list(parts).index(sources[place]) for place in found]
        if not self.parts:
            raise MissingSplitError(f"no source of the mix has a {self.split} split")
        self._ends = np.cumsum([len(part) for part, _ in self.parts])

    def _open(self, part: Callable[..., HandDataset], num_sources: int) -> HandDataset | None:
        """Return a source's split; None if a split other than train is missing."""
        cap = None if self.max_samples is None else -(-self.max_samples // num_sources)
        try:
            return part(
                split=self.split,
                image_size=self.image_size,
                crop_by=self.crop_by,
                max_samples=cap,
            )
        except MissingSplitError as error:
            if self.split == "train":
                raise
            _log.warning("%s; it is left out of the mix", error)
            return None

    @property
    def fingerprint(self) -> str | None:
        found = [part.fingerprint for part, _ in self.parts]
        return None if None in found else " ".join(map(str, found))

    @property
    def box_rule(self) -> str:
        return ", ".join(part.box_rule for part, _ in self.parts)

    @property
    def strata(self) -> Strata:
        return tuple((len(part), weight) for part, weight in self.parts)

    @property
    def is_labelled(self) -> bool:
        return any(part.is_labelled for part, _ in self.parts)

    @property
    def crops_by_labels(self) -> bool:
        return any(part.crops_by_labels for part, _ in self.parts)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Sample:
        part, own = self._find(index)
        return part[own]

    def without_pixels(self, index: int) -> Sample:
        part, own = self._find(index)
        return part.without_pixels(own)

    def with_pixels(self, index: int, sample: Sample) -> Sample:
        part, own = self._find(index)
        return part.with_pixels(own, sample)

    def _find(self, index: int) -> tuple[HandDataset, int]:
        """Return the part of a hand and its index there."""
        place = int(np.searchsorted(self._ends, index, side="right"))
        part = self.parts[place][0]
        return part, index - int(self._ends[place]) + len(part)

    @property
    def identities(self) -> np.ndarray:
        return self._apart([part.identities for part, _ in self.parts])

    @property
    def capture_groups(self) -> np.ndarray:
        return self._apart([part.capture_groups for part, _ in self.parts])

    def _apart(self, numbers: list[np.ndarray]) -> np.ndarray:
        """Return (N,) numbers of the parts, shifted to be unique among parts."""
        moved = zip(self._places, numbers, strict=True)
        return np.concatenate([own + place * _IDENTITIES for place, own in moved])

    @property
    def cut_groups(self) -> dict[str, np.ndarray]:
        return {name: own for part, _ in self.parts for name, own in part.cut_groups.items()}

    def sample_keys(self) -> list[str]:
        return [key for part, _ in self.parts for key in part.sample_keys()]

    def joints(self) -> Joints:
        parts = [part.joints() for part, _ in self.parts]
        return Joints(*map(np.concatenate, zip(*parts, strict=True)))

    def poses(self, indices: np.ndarray | None = None) -> np.ndarray:
        chosen = np.arange(len(self)) if indices is None else indices
        firsts = self._ends - [len(part) for part, _ in self.parts]
        own = (
            part.poses(chosen[(chosen >= first) & (chosen < first + len(part))] - first)
            for (part, _), first in zip(self.parts, firsts, strict=True)
        )
        return np.concatenate(list(own))

    @property
    def has_aligned_error(self) -> bool:
        return any(part.has_aligned_error for part, _ in self.parts)
