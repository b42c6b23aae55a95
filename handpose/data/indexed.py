"""A dataset on disk, opened through its index: what all real sources share."""

import hashlib
import logging
from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from handpose.data.base import SPLITS, HandDataset, Joints, MissingSplitError
from handpose.data.images import read_image
from handpose.data.index.collector import Collector
from handpose.data.index.problems import BrokenDataError, Problem, as_lines, read_quarantine
from handpose.data.index.store import open_index
from handpose.data.subsets import cut
from handpose.data.unreadable import UnreadableError
from handpose.geometry.align import LEAST_TO_ALIGN
from handpose.records import Sample
from handpose.skeleton import NUM_JOINTS

_log = logging.getLogger(__name__)
# The cut into training and validation is the same in every run.
_CUT_SEED = 20190912


class IndexedDataset(HandDataset):
    """One split of a source whose annotations are read once, into an index.

    A source says what to watch for changes and how to read its annotations. Its docstring's first
    indented block is the layout that error messages show.

    Args:
        root: the dataset as unpacked; only read.
        cache: the folder of all indexes (`${paths.cache}/index`).
        quarantine: a CSV of the bad files and records that are knowingly left out; None for none.
        val_fraction: part of the training groups kept for validation, on average (see
            `handpose.data.subsets`), where the source has no validation split of its own.
        **contract: what every dataset takes (see `HandDataset`).

    Attributes:
        index: of the whole root.
        rows: (N,) int64, which of the index's hands are this split's.

    Raises:
        BrokenDataError: the annotations cannot be read, or bad files are not in the quarantine.
        MissingSplitError: the source has no such split on this disk.
    """

    # What a stated box's side is multiplied by.
    box_scale = 1.0
    # Whether training and validation are a cut of ours.
    is_cut = False

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
        self.index = open_index(
            self.name,
            self.root,
            Path(cache),
            read=self.read,
            read_picture=self.read_picture,
            watched=self.watched(),
            options=self.options(),
        )
        self._refuse_unless_known(quarantine)
        for warning in self.index.warnings if self.split == "train" else ():
            _log.warning("%s: %s", self.root, warning)
        self._arrays = self.index.arrays
        self.rows = self._choose(val_fraction)[: self.max_samples]
        if len(self.rows) == 0:
            raise MissingSplitError(f"{self.root}: no hand in the {self.split} split")

    @abstractmethod
    def watched(self) -> list[Path]:
        """The annotation files and folders whose size and time tell that the source changed."""

    @abstractmethod
    def read(self, collector: Collector) -> None:
        """Goes through all annotations, of every split."""

    def options(self) -> Any:
        """Plain values on which the index depends, beside the root."""
        return None

    def read_picture(self, path: Path) -> np.ndarray:
        """(H, W, 3) uint8 RGB. ValueError: it cannot be used; names the path first, then why."""
        return read_image(path)

    def goes_without(self, problem: Problem) -> bool:
        """Whether a training continues without a bad file or record unasked."""
        return False

    def relative(self, path: Path) -> str:
        """A path below the root as the index and the table of problems have it."""
        return path.relative_to(self.root).as_posix()

    def _refuse_unless_known(self, quarantine: str | None) -> None:
        known = read_quarantine(Path(quarantine)) if quarantine else set()
        unknown = [
            problem
            for problem in self.index.problems
            if problem.file not in known and not self.goes_without(problem)
        ]
        if unknown:
            raise BrokenDataError(
                f"{self.root}: {len(unknown)} bad files or records:\n{as_lines(unknown)}\n"
                f"Fix them, or leave them out knowingly: scripts/doctor.py dataset={self.name} "
                "--quarantine FILE lists them in FILE, and dataset.quarantine=FILE accepts that.",
                unknown,
                is_fatal=False,
            )

    def _choose(self, val_fraction: float | None) -> np.ndarray:
        """The rows (N,) of this split."""
        split = np.asarray(self._arrays["split"])
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
        """The path of a hand's picture, relative to the root."""
        image, ends = int(self._arrays["image"][self.rows[index]]), self._arrays["name_end"]
        start = int(ends[image - 1]) if image else 0
        return self._arrays["name"][start : int(ends[image])].tobytes().decode()

    def labels(self, index: int) -> dict[str, np.ndarray]:
        """Those fields of the hand's `Sample` that need no pixels and no box."""
        number = self._annotation(int(self.rows[index]))
        return {key: np.array(self._arrays[key][number]) for key in _LABELS}

    def __getitem__(self, index: int) -> Sample:
        row, name, labels = int(self.rows[index]), self.image_name(index), self.labels(index)
        return Sample(
            image=self._read(name),
            box=self.choose_box(self._box(row), labels["uv"], labels["uv_valid"]),
            side="left" if self._arrays["is_left"][row] else "right",
            key=f"{self.name}/{name}#{self._arrays['place'][row]}",
            **labels,
        )

    def _box(self, row: int) -> np.ndarray:
        """The stated box (3,), or the largest square in the middle of the picture."""
        box = self._arrays["box"][row]
        if np.isnan(box).any():
            width, height = self._arrays["size"][self._arrays["image"][row]]
            box = np.array([(width - 1) / 2, (height - 1) / 2, min(width, height)], np.float32)
        return box * np.array([1, 1, self.box_scale], np.float32)

    def _read(self, name: str) -> np.ndarray:
        try:
            return self.read_picture(self.root / name)
        except ValueError as error:
            if not self.root.is_dir():
                raise ValueError(
                    f"{self.root}: the directory of {self.name} is gone. Restore it first"
                ) from error
            raise UnreadableError(str(error), name) from error

    def _annotation(self, row: Any) -> Any:
        return self._arrays["annotation"][row]

    @property
    def fingerprint(self) -> str:
        rows = hashlib.sha256(self.rows.tobytes()).hexdigest()
        return f"{self.name} {self.index.fingerprint} {rows}"

    @property
    def identities(self) -> np.ndarray:
        return self._arrays["identity"][self.rows]

    @property
    def recordings(self) -> np.ndarray:
        return self._arrays["group"][self.rows]

    @property
    def cut_groups(self) -> dict[str, np.ndarray]:
        return {self.name: np.unique(self.recordings)} if self.is_cut else {}

    def joints(self) -> Joints:
        numbers = self._annotation(self.rows)
        uv, valid = (self._arrays[name][numbers] for name in ("uv", "uv_valid"))
        return Joints(uv, valid, self._arrays["is_left"][self.rows])

    def poses(self, indices: np.ndarray | None = None) -> np.ndarray:
        rows = self.rows if indices is None else self.rows[indices]
        rows = rows[np.sort(np.unique(self._annotation(rows), return_index=True)[1])]
        numbers = self._annotation(rows)
        complete = self._metric_joints(numbers) == NUM_JOINTS
        poses = self._arrays["xyz"][numbers[complete]]
        poses[self._arrays["is_left"][rows[complete]], :, 0] *= -1
        assert poses.shape[1:] == (NUM_JOINTS, 3)
        return poses

    @property
    def has_aligned_error(self) -> bool:
        counts = self._metric_joints(self._annotation(self.rows))
        return bool((counts >= LEAST_TO_ALIGN).any())

    def _metric_joints(self, numbers: np.ndarray) -> np.ndarray:
        """(N,) how many joints these annotations have in metres before a camera."""
        has_camera = (self._arrays["K"][numbers] != np.eye(3)).any(axis=(1, 2))
        return has_camera * self._arrays["xyz_valid"][numbers].sum(axis=1)


_LABELS = ("uv", "uv_valid", "xyz", "xyz_valid", "K", "scale")
