"""Base class of datasets on disk, opened through their index."""

import hashlib
import json
import logging
import math
from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from handpose.data.base import NO_PIXELS, SPLITS, WHOLE, HandDataset, Joints, MissingSplitError
from handpose.data.images import read_image
from handpose.data.index.collector import BOXED_BY_JOINTS, Collector
from handpose.data.index.problems import BrokenDataError, Problem, as_lines, read_quarantine
from handpose.data.index.store import open_index
from handpose.data.subsets import cut
from handpose.data.unreadable import UnreadableError
from handpose.geometry.align import LEAST_TO_ALIGN
from handpose.records import Crop, Sample
from handpose.skeleton import NUM_JOINTS

_log = logging.getLogger(__name__)
_CUT_SEED = 20190912  # the same validation cut in every run
_LABELS = ("uv", "uv_valid", "xyz", "xyz_valid", "K", "scale")


class IndexedDataset(HandDataset):
    """One split of a source, opened through an index of its annotations.

    A subclass lists the files to watch for changes and reads the annotations. The first indented
    block of its module's docstring is the layout that error messages show.

    Args:
        root: the dataset as unpacked; only read.
        cache: folder of all indexes (`${paths.cache}/index`).
        quarantine: CSV file of the bad files and records to leave out; None for none.
        val_fraction: part of the training groups held out for validation, on average (see
            `handpose.data.subsets`), if the source has no validation split.
        **contract: arguments of `HandDataset`.

    Attributes:
        index: of the whole root.
        rows: (N,) int64, which of the index's hands are in this split.

    Raises:
        BrokenDataError: the annotations cannot be read, or bad files are not in the quarantine.
        MissingSplitError: the source has no such split on this disk.
    """

    box_scale = 1.0  # factor on the side of a stated box
    is_cut = False  # training and validation are our own cut of the training split

    def __init__(
        self,
        *,
        root: str,
        cache: str,
        quarantine: str | None = None,
        val_fraction: float | None = None,
        **contract: Any,
    ) -> None:
        super().__init__(**contract)
        self.root = Path(root)
        if not self.root.is_dir():
            raise ValueError(f"{self.root}: no such directory; {self.name} was to be found there")
        self.index = open_index(self, Path(cache))
        self._refuse_unless_known(quarantine)
        for warning in self.index.warnings if self.split == "train" else ():
            _log.warning("%s: %s", self.root, warning)
        self._arrays = self.index.arrays
        self.rows = self._choose(val_fraction)[: self.max_samples]
        if len(self.rows) == 0:
            raise MissingSplitError(f"{self.root}: no hand in the {self.split} split")

    @abstractmethod
    def watched(self) -> list[Path]:
        """List the annotation files and folders whose size or time changes with the source."""

    @abstractmethod
    def read(self, collector: Collector) -> None:
        """Read all annotations, of every split."""

    def options(self) -> Any:
        """Return the plain values, beside the root, that the index depends on."""
        return None

    def read_image(self, path: Path) -> np.ndarray:
        """Read (H, W, 3) uint8 RGB; a ValueError names the path first, then the reason."""
        return read_image(path)

    def may_ignore(self, problem: Problem) -> bool:
        """Return whether training continues without this bad file or record."""
        return False

    def relative(self, path: Path) -> str:
        """Return a path relative to the root, as in the index and the problems."""
        return path.relative_to(self.root).as_posix()

    def _refuse_unless_known(self, quarantine: str | None) -> None:
        known = read_quarantine(Path(quarantine)) if quarantine else set()
        unknown = [
            problem
            for problem in self.index.problems
            if problem.file not in known and not self.may_ignore(problem)
        ]
        if unknown:
            raise BrokenDataError(
                f"{self.root}: {len(unknown)} bad files or records:\n{as_lines(unknown)}\n"
                f"Fix them, or leave them out: handpose doctor dataset={self.name} "
                "--quarantine FILE lists them, and dataset.quarantine=FILE leaves them out.",
                unknown,
                is_fatal=False,
            )

    def official_splits(self) -> np.ndarray:
        """Return (N,) the place in `SPLITS` of each hand of the index."""
        return np.asarray(self._arrays["split"])

    def _choose(self, val_fraction: float | None) -> np.ndarray:
        """Return the rows (N,) of this split."""
        split = self.official_splits()
        if val_fraction is None or self.split == "test":
            return np.flatnonzero(split == SPLITS.index(self.split))
        self.is_cut = True
        training = np.flatnonzero(split == SPLITS.index("train"))
        groups = np.asarray(self._arrays["group"])[training]
        held_out = cut(groups, fraction=val_fraction, seed=_CUT_SEED)
        return training[held_out == (self.split == "val")]

    def __len__(self) -> int:
        return len(self.rows)

    def image_name(self, index: int) -> str:
        """Return the path of a hand's image, relative to the root."""
        image, ends = int(self._arrays["image"][self.rows[index]]), self._arrays["name_end"]
        start = int(ends[image - 1]) if image else 0
        return self._arrays["name"][start : int(ends[image])].tobytes().decode()

    def labels(self, index: int) -> dict[str, np.ndarray]:
        """Return the fields of the hand's `Sample` that need neither pixels nor a box."""
        number = self._arrays["annotation"][self.rows[index]]
        return {key: self._arrays[key][number].copy() for key in _LABELS}

    def __getitem__(self, index: int) -> Sample:
        return self._sample(index, self._read(self.image_name(index)), crop=None)

    def without_pixels(self, index: int) -> Sample:
        width, height = self._size(int(self.rows[index]))
        return self._sample(index, NO_PIXELS, Crop(WHOLE, width, height))

    def with_pixels(self, index: int, sample: Sample) -> Sample:
        return sample._replace(image=self._read(self.image_name(index)), crop=None)

    def _sample(self, index: int, image: np.ndarray, crop: Crop | None) -> Sample:
        row, labels = int(self.rows[index]), self.labels(index)
        return Sample(
            image=image,
            box=self.choose_box(self._box(row), labels["uv"], labels["uv_valid"]),
            side="left" if self._arrays["is_left"][row] else "right",
            key=self._key(index),
            crop=crop,
            **labels,
        )

    def _size(self, row: int) -> tuple[int, int]:
        """Return width and height of a hand's image, px."""
        width, height = self._arrays["size"][self._arrays["image"][row]].tolist()
        return width, height

    def _box(self, row: int) -> np.ndarray:
        """Return the stated box (3,), or the largest central square of the image."""
        u, v, side = self._arrays["box"][row].tolist()
        if math.isnan(u + v + side):
            width, height = self._size(row)
            u, v, side = (width - 1) / 2, (height - 1) / 2, min(width, height)
        return np.array((u, v, side * float(np.float32(self.box_scale))), np.float32)

    def _read(self, name: str) -> np.ndarray:
        try:
            return self.read_image(self.root / name)
        except ValueError as error:
            if not self.root.is_dir():
                raise ValueError(
                    f"{self.root}: the directory of {self.name} is gone. Restore it first"
                ) from error
            raise UnreadableError(str(error), name) from error

    @property
    def fingerprint(self) -> str:
        rows = hashlib.sha256(self.rows.tobytes())
        # The rows are places among the good hands, as these options read them.
        bad = sorted(problem.file for problem in self.index.problems)
        rows.update(json.dumps([self.options(), bad]).encode())
        return f"{self.name} {self.index.fingerprint} {rows.hexdigest()}"

    @property
    def box_rule(self) -> str:
        return f"{self.crop_by} x {self.box_scale}"

    @property
    def identities(self) -> np.ndarray:
        return self._arrays["identity"][self.rows]

    @property
    def capture_groups(self) -> np.ndarray:
        return self._arrays["group"][self.rows]

    @property
    def crops_by_labels(self) -> bool:
        return super().crops_by_labels or self.index.counts.get(BOXED_BY_JOINTS, 0) > 0

    @property
    def cut_groups(self) -> dict[str, np.ndarray]:
        return {self.name: np.unique(self.capture_groups)} if self.is_cut else {}

    def _key(self, index: int) -> str:
        place = int(self._arrays["place"][self.rows[index]])
        return f"{self.name}/{self.image_name(index)}#{place}"

    def sample_keys(self) -> list[str]:
        return [self._key(index) for index in range(len(self))]

    def joints(self) -> Joints:
        numbers = self._arrays["annotation"][self.rows]
        uv, valid = (self._arrays[name][numbers] for name in ("uv", "uv_valid"))
        return Joints(uv, valid, self._arrays["is_left"][self.rows])

    def poses(self, indices: np.ndarray | None = None) -> np.ndarray:
        rows = self.rows if indices is None else self.rows[indices]
        rows = rows[np.sort(np.unique(self._arrays["annotation"][rows], return_index=True)[1])]
        rows = rows[self._num_metric_joints(rows) == NUM_JOINTS]
        poses = self._arrays["xyz"][self._arrays["annotation"][rows]]
        poses[self._arrays["is_left"][rows], :, 0] *= -1
        return poses

    @property
    def has_aligned_error(self) -> bool:
        return bool((self._num_metric_joints(self.rows) >= LEAST_TO_ALIGN).any())

    def _num_metric_joints(self, rows: np.ndarray) -> np.ndarray:
        """Return (N,) how many joints these hands have in metres before a camera."""
        numbers = self._arrays["annotation"][rows]
        has_camera = (self._arrays["K"][numbers] != np.eye(3)).any(axis=(1, 2))
        return has_camera * self._arrays["xyz_valid"][numbers].sum(axis=1)
