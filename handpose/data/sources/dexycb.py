"""DexYCB (Chao et al., CVPR 2021), read from its official layout.

    ROOT/<date>-subject-NN/<date>_<time>/meta.yml                    num_frames, mano_sides
    ROOT/<date>-subject-NN/<date>_<time>/<serial>/color_%06d.jpg     640 x 480, eight cameras
    ROOT/<date>-subject-NN/<date>_<time>/<serial>/labels_%06d.npz    joint_3d, joint_2d
    ROOT/calibration/intrinsics/<serial>_640x480.yml                 color: fx, fy, ppx, ppy

Joints are in metres in the camera frame, in our order; a sequence shows one hand, left or right.
Frames without a hand (all joints -1) are left out, and counted. The splits are those of a setup
(`dexycb_setups.py`). The only boxes are those of the joints. Any part of the dataset is enough, but
s0 and s3 count the sequences of a subject, so they need all its 100 folders (empty ones will do).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from handpose.data.base import joint_box
from handpose.data.index.collector import Annotation, Collector, Hand, as_array
from handpose.data.index.npz import read_npz
from handpose.data.index.threads import attempt, read_in_order, result
from handpose.data.indexed import IndexedDataset
from handpose.data.sources.dexycb_setups import (
    BY_SEQUENCE,
    SEQUENCE_NAME,
    SEQUENCES,
    SERIALS,
    SETUPS,
    SUBJECTS,
    splits_of,
)
from handpose.data.subsets import number_of
from handpose.files import LARGEST_TEXT, regular
from handpose.skeleton import NUM_JOINTS

_SIZE = (640, 480)
_CALIBRATION = "calibration/intrinsics/{}_640x480.yml"
_SHAPES = {"joint_3d": (1, NUM_JOINTS, 3), "joint_2d": (1, NUM_JOINTS, 2)}
_MOST_FRAMES = 10_000  # of a sequence, which has about 70
_NO_HAND = -1.0
# Lengths of the parts of "<subject>/<sequence>/<serial>/color_%06d.jpg", which are always the same.
_LENGTHS = (len(SUBJECTS[0]), len("20200709_141754"), len(SERIALS[0]), len("color_000000.jpg"))


class _Sequence(NamedTuple):
    """One recording of a subject."""

    name: str  # "<subject>/<sequence>"
    num_frames: int
    is_left: bool
    serials: list[str]  # of cameras with a folder and a calibration


class _Frame(NamedTuple):
    """One image of a sequence."""

    sequence: _Sequence
    serial: str
    number: int

    def path(self, kind: str) -> str:
        """Return a path relative to the root; kind is "color" or "labels"."""
        suffix = "jpg" if kind == "color" else "npz"
        return f"{self.sequence.name}/{self.serial}/{kind}_{self.number:06d}.{suffix}"


class DexYcb(IndexedDataset):
    """One split of a setup of DexYCB.

    Args:
        setup: "s0" (unseen grasps), "s1" (unseen subjects), "s2" (unseen cameras) or "s3" (unseen
            objects).
        val_sequences: None: the validation split of the setup. Else this share of its training
            sequences is held out, on average, and that split is not used.
        **contract: arguments of `IndexedDataset`.

    Raises:
        ValueError: unknown setup, or one that counts sequences which are not all there.
    """

    name = "dexycb"
    landmarks = ("calibration/intrinsics",)
    box_from_joints = True
    terms = "CC BY-NC 4.0 (its project page)"

    def __init__(
        self, *, setup: str = "s0", val_sequences: float | None = None, **contract: Any
    ) -> None:
        if setup not in SETUPS:
            raise ValueError(f"dataset.setup={setup}: choose {', '.join(SETUPS)}")
        self.setup = setup
        super().__init__(val_fraction=val_sequences, **contract)

    def watched(self) -> list[Path]:
        files = [self.root / _CALIBRATION.format(serial) for serial in SERIALS]
        for name in self._sequence_names():
            folder = self.root / name
            files += [folder / "meta.yml", *(folder / serial for serial in SERIALS)]
        return [self.root, *(self.root / subject for subject in SUBJECTS), *files]

    def _sequence_names(self) -> list[str]:
        """Return "<subject>/<sequence>" of every folder of a recording, sorted."""
        return [
            f"{subject}/{name}"
            for subject in SUBJECTS
            for name in sorted(path.name for path in (self.root / subject).glob("*"))
            if SEQUENCE_NAME.fullmatch(name) and (self.root / subject / name).is_dir()
        ]

    def official_splits(self) -> np.ndarray:
        images = np.asarray(self._arrays["image"])
        names = np.asarray(self._arrays["name"]).reshape(-1, sum(_LENGTHS) + len(_LENGTHS) - 1)
        starts = np.cumsum([0, *(length + 1 for length in _LENGTHS)])
        subject, sequence, serial = (
            names[:, start : start + length].copy().view(f"S{length}")[:, 0].astype(str)[images]
            for start, length in zip(starts, _LENGTHS[:3], strict=False)
        )
        return splits_of(
            self.setup,
            subject=_places(subject, SUBJECTS),
            serial=_places(serial, SERIALS),
            sequence=self._sequence_places(subject, sequence),
        )

    def _sequence_places(self, subjects: np.ndarray, sequences: np.ndarray) -> np.ndarray:
        """Return (N,) the place of each sequence among its subject's."""
        places = np.zeros(len(subjects), dtype=np.int64)
        if self.setup not in BY_SEQUENCE:
            return places
        for subject in np.unique(subjects):
            own = [name.split("/")[1] for name in self._sequence_names() if subject in name]
            if len(own) != SEQUENCES:
                others = ", ".join(sorted(set(SETUPS) - set(BY_SEQUENCE)))
                raise ValueError(
                    f"dataset.setup={self.setup}: {self.root / subject} has {len(own)} sequences, "
                    f"and this setup counts all {SEQUENCES}. Add the missing folders, empty ones "
                    f"will do, or choose one of {others}"
                )
            mine = subjects == subject
            places[mine] = _places(sequences[mine], own)
        return places

    def read(self, collector: Collector) -> None:
        if not any((self.root / subject).is_dir() for subject in SUBJECTS):
            collector.problem(SUBJECTS[0], "missing, and so are the other subjects", fatal=True)
            return
        cameras = self._read_cameras(collector)
        sequences = list(self._read_sequences(collector, cameras))
        total = sum(len(sequence.serials) * sequence.num_frames for sequence in sequences)
        labels = read_in_order(
            attempt(lambda frame: read_npz(self.root / frame.path("labels"), _SHAPES)),
            _frames(sequences),
            what=f"reading the labels of {self.root}",
            total=total,
        )
        for frame, found in zip(_frames(sequences), labels, strict=True):
            with collector.record(frame.path("labels")):
                _add(collector, frame, result(found), cameras[frame.serial])

    def _read_cameras(self, collector: Collector) -> dict[str, np.ndarray]:
        """Return {serial: K (3, 3)} of the cameras that are calibrated."""
        cameras = {}
        for serial in SERIALS:
            name = _CALIBRATION.format(serial)
            with collector.record(name):
                color = _read_yaml(self.root / name)["color"]
                fx, fy, cx, cy = (as_array(color[key]) for key in ("fx", "fy", "ppx", "ppy"))
                cameras[serial] = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
        return cameras

    def _read_sequences(
        self, collector: Collector, cameras: dict[str, np.ndarray]
    ) -> Iterator[_Sequence]:
        for name in self._sequence_names():
            folder = self.root / name
            there = [serial for serial in SERIALS if (folder / serial).is_dir()]
            if not there:
                collector.counts["sequences that are not on this disk"] += 1
                continue
            if absent := len(SERIALS) - len(there):
                collector.counts["cameras of a sequence that are not on this disk"] += absent
            with collector.record(f"{name}/meta.yml"):
                meta = _read_yaml(folder / "meta.yml")
                usable = [serial for serial in there if serial in cameras]
                yield _Sequence(name, _num_frames(meta), _is_left(meta), usable)


def _frames(sequences: list[_Sequence]) -> Iterator[_Frame]:
    """Yield the frames of each camera of each sequence, as the toolkit orders them."""
    for sequence in sequences:
        for serial in sequence.serials:
            yield from (_Frame(sequence, serial, i) for i in range(sequence.num_frames))


def _add(collector: Collector, frame: _Frame, labels: dict[str, np.ndarray], K: np.ndarray) -> None:
    xyz, uv = (labels[name][0].astype(np.float64) for name in ("joint_3d", "joint_2d"))
    if (xyz == _NO_HAND).all():
        collector.counts["frames without a hand, left out"] += 1
        return
    if not np.isfinite(uv).all():
        raise ValueError("joint_2d is NaN or infinite")
    annotation = Annotation(uv=uv, xyz=xyz, K=K)
    collector.add_hand(
        Hand(
            image=frame.path("color"),
            annotation=collector.add_annotation(frame.path("labels"), annotation),
            split="train",  # of the index; a setup decides, see `official_splits`
            box=joint_box(uv),
            is_left=frame.sequence.is_left,
            identity=number_of(f"{frame.sequence.name}/{frame.number}"),  # in all cameras
            group=number_of(frame.sequence.name),
            size=_SIZE,
        )
    )


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(regular(path, most=LARGEST_TEXT).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror or error})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise ValueError("it is not a YAML mapping")
    return content


def _num_frames(meta: dict[str, Any]) -> int:
    count = meta["num_frames"]
    if type(count) is not int or not 0 <= count <= _MOST_FRAMES:
        raise ValueError(f"num_frames is {str(count)[:50]}, not a number up to {_MOST_FRAMES:,}")
    return count


def _is_left(meta: dict[str, Any]) -> bool:
    sides = meta["mano_sides"]
    if sides not in (["left"], ["right"]):
        raise ValueError(f"mano_sides is {str(sides)[:50]}, not [left] or [right]")
    return sides == ["left"]


def _places(names: np.ndarray, known: list[str] | tuple[str, ...]) -> np.ndarray:
    """Return (N,) the place of each name in a sorted list."""
    return np.searchsorted(np.array(known), names)
