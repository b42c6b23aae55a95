"""HO-3D v2 (Hampali et al., CVPR 2020) and v3, read from their official layout.

    ROOT/{train,evaluation}/<sequence>/rgb/%04d.png     v2
    ROOT/{train,evaluation}/<sequence>/rgb/%04d.jpg     v3
    ROOT/{train,evaluation}/<sequence>/meta/%04d.pkl    joints, camera, box
    ROOT/{train,evaluation}.txt                         <sequence>/%04d, one frame a line
    ROOT/evaluation_xyz.json                            since 2024: without it no test errors

Joints are in metres in OpenGL's camera frame (y up, z backward), in MANO's order, and are converted
to ours; all hands are right hands. An evaluation frame has the wrist alone, and a box. The boxes of
training frames are around the joints, so pre-training uses labels to crop. Frames without a hand's
joints are left out, and counted. The official evaluation is the test split. The validation cut is
ours and grouped by capture: ABF10 to ABF14 are five cameras of one.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handpose.data.base import Split
from handpose.data.index.collector import Annotation, Collector, Hand, as_array
from handpose.data.index.json_stream import JsonError, records
from handpose.data.index.safe_pickle import load_arrays
from handpose.data.index.threads import attempt, read_in_order, result
from handpose.data.indexed import IndexedDataset
from handpose.data.subsets import number_of
from handpose.files import LARGEST_TEXT, regular
from handpose.geometry.camera import project
from handpose.skeleton import MANO_ORDER, NUM_JOINTS, ROOT

_FOLDERS: dict[Split, str] = {"train": "train", "test": "evaluation"}
_SUFFIXES = {"v2": "png", "v3": "jpg"}
_LINE = re.compile(r"(\w+)/(\d+)")
_JOINTS = "evaluation_xyz.json"
_MAX_WRIST_ERROR = 0.01  # metres between the wrist of a frame's meta and of evaluation_xyz.json
FROM_OPENGL = np.array([1.0, -1.0, -1.0])  # and back: x right, y up and z backward to ours


class _Frame(NamedTuple):
    """One line of a list of frames."""

    record: str  # "train.txt#12"
    folder: str  # "train/ABF10"
    number: str  # "0012"

    @property
    def meta(self) -> str:
        """Path relative to the root."""
        return f"{self.folder}/meta/{self.number}.pkl"


class Ho3d(IndexedDataset):
    """One split of HO-3D.

    Args:
        box_side: side of the box as a multiple of the hand's bounding box.
        **contract: arguments of `IndexedDataset`.
    """

    name = "ho3d"
    landmarks = ("train.txt", "evaluation.txt")
    box_from_joints = True
    terms = "academic research only, non-commercial, to be cited (its repository's README)"

    def __init__(self, *, box_side: float = 1.25, **contract: Any) -> None:
        super().__init__(**contract)
        self.box_scale = box_side

    def watched(self) -> list[Path]:
        folders = [
            folder
            for name in _FOLDERS.values()
            for sequence in sorted((self.root / name).glob("*"))
            for folder in (sequence / "rgb", sequence / "meta")
        ]
        lists = [self.root / f"{name}.txt" for name in _FOLDERS.values()]
        return [*lists, self.root / _JOINTS, *folders]

    def read(self, collector: Collector) -> None:
        found = [split for split, name in _FOLDERS.items() if (self.root / f"{name}.txt").exists()]
        if not found:
            collector.problem("train.txt", "missing, and so is evaluation.txt", fatal=True)
            return
        frames = {split: self._read_list(collector, _FOLDERS[split]) for split in found}
        collector.layout = self._find_version(frame for own in frames.values() for frame in own)
        for split in found:
            self._read_split(collector, split, frames[split])

    def _read_list(self, collector: Collector, name: str) -> list[_Frame]:
        """Return the frames of a list; a bad line becomes a problem."""
        try:
            path = regular(self.root / f"{name}.txt", most=LARGEST_TEXT)
            lines = path.read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            collector.problem(f"{name}.txt", f"cannot be read as text ({error})", fatal=True)
            return []
        frames: dict[str, _Frame] = {}
        for number, line in enumerate(lines, start=1):
            with collector.record(f"{name}.txt#{number}"):
                if not (match := _LINE.fullmatch(line)):
                    raise ValueError(f"{line[:50]!r} is not SEQUENCE/FRAME")
                if line in frames:
                    raise ValueError(f"{line} is listed twice, first at {frames[line].record}")
                frames[line] = _Frame(f"{name}.txt#{number}", f"{name}/{match[1]}", match[2])
        return list(frames.values())

    def _find_version(self, frames: Iterator[_Frame]) -> str:
        """Return the version of the first image that is there, else v3."""
        for frame in frames:
            for version, suffix in _SUFFIXES.items():
                if (self.root / frame.folder / f"rgb/{frame.number}.{suffix}").exists():
                    return version
        return "v3"

    def _read_split(self, collector: Collector, split: Split, frames: list[_Frame]) -> None:
        there = {folder for folder in {f.folder for f in frames} if (self.root / folder).is_dir()}

        def read(frame: _Frame) -> dict[str, Any] | None:
            return self._read_meta(frame) if frame.folder in there else None

        what = f"reading the {_FOLDERS[split]} frames of {self.root}"
        metas = read_in_order(attempt(read), frames, what=what, total=len(frames))
        joints = self._read_joints(collector, len(frames)) if split == "test" else None
        for place, (frame, found) in enumerate(zip(frames, metas, strict=True)):
            with collector.record(frame.meta):
                if (meta := result(found)) is None:
                    collector.counts["frames of sequences that are not on this disk"] += 1
                elif split == "train":
                    self._add_training(collector, frame, meta)
                else:
                    own = None if joints is None else joints[place]
                    self._add_evaluation(collector, frame, meta, own)

    def _read_meta(self, frame: _Frame) -> dict[str, Any]:
        path = self.root / frame.meta
        try:
            meta = load_arrays(path)
        except ValueError as error:
            raise ValueError(str(error).removeprefix(f"{path}: ")) from None
        if not isinstance(meta, dict):
            raise ValueError("it is not a dict")
        return meta

    def _read_joints(self, collector: Collector, count: int) -> list[np.ndarray | None] | None:
        """Return the published joints of the evaluation frames, None for a bad one."""
        joints: list[np.ndarray | None] = []
        if not (self.root / _JOINTS).exists():
            collector.counts["evaluation frames without joints (evaluation_xyz.json)"] = count
            return None
        try:
            for (place,), value in records(self.root / _JOINTS, depth=1):
                joints.append(None)
                with collector.record(f"{_JOINTS}#{place}"):
                    joints[-1] = as_array(value, NUM_JOINTS, 3)
        except JsonError as error:
            collector.problem(_JOINTS, str(error), fatal=True)
            return None
        if len(joints) != count:
            reason = f"{len(joints)} entries, and evaluation.txt lists {count} frames"
            collector.problem(_JOINTS, reason, fatal=True)
            return None
        return joints

    def _add_training(self, collector: Collector, frame: _Frame, meta: dict[str, Any]) -> None:
        if meta["handJoints3D"] is None or meta["camMat"] is None:
            collector.counts["frames without joints or camera, left out"] += 1
            return
        xyz, K = to_ours(as_array(meta["handJoints3D"], NUM_JOINTS, 3)), _camera(meta)
        self._add(collector, frame, "train", Annotation(xyz=xyz, K=K), _box_around(xyz, K))

    def _add_evaluation(
        self,
        collector: Collector,
        frame: _Frame,
        meta: dict[str, Any],
        joints: np.ndarray | None,
    ) -> None:
        wrist = as_array(np.ravel(meta["handJoints3D"]), 3) * FROM_OPENGL
        u0, v0, u1, v1 = as_array(meta["handBoundingBox"], 4)
        box = np.array([(u0 + u1) / 2, (v0 + v1) / 2, max(u1 - u0, v1 - v0)])
        if joints is None:
            # The wrist is given to all, so it is no label to be measured by in 2D.
            xyz, valid = np.tile(wrist, (NUM_JOINTS, 1)), np.arange(NUM_JOINTS) == ROOT
            annotation = Annotation(
                xyz=xyz, xyz_valid=valid, K=_camera(meta), uv_valid=np.zeros(NUM_JOINTS, dtype=bool)
            )
        else:
            xyz = to_ours(joints)
            if (error := np.linalg.norm(xyz[ROOT] - wrist)) > _MAX_WRIST_ERROR:
                raise ValueError(
                    f"its wrist is {1000 * error:.0f} mm away from that of {_JOINTS}: another "
                    "version's file, or joints in another order or frame"
                )
            annotation = Annotation(xyz=xyz, K=_camera(meta))
        self._add(collector, frame, "test", annotation, box)

    def _add(
        self,
        collector: Collector,
        frame: _Frame,
        split: Split,
        annotation: Annotation,
        box: np.ndarray | None,
    ) -> None:
        sequence = frame.folder.split("/")[1]
        suffix = _SUFFIXES[collector.layout]
        collector.add_hand(
            Hand(
                image=f"{frame.folder}/rgb/{frame.number}.{suffix}",
                annotation=collector.add_annotation(frame.meta, annotation),
                split=split,
                box=box,
                is_left=False,
                # The cameras of a capture are synchronised.
                identity=number_of(f"{capture(sequence)}/{frame.number}"),
                group=number_of(capture(sequence)),
            )
        )


def capture(sequence: str) -> str:
    """Return the capture of a sequence: ABF1 for ABF10 to ABF14, whose last digit is a camera."""
    return sequence[:-1] if re.fullmatch(r".*\d\d", sequence) else sequence


def to_ours(joints: np.ndarray) -> np.ndarray:
    """Convert joints (..., 21, 3) to our order and camera frame."""
    return joints[..., list(MANO_ORDER), :] * FROM_OPENGL


def to_theirs(xyz: np.ndarray) -> np.ndarray:
    """Convert joints (..., 21, 3) to HO-3D's order and frame, the inverse of `to_ours`."""
    return xyz[..., np.argsort(MANO_ORDER), :] * FROM_OPENGL


def _camera(meta: dict[str, Any]) -> np.ndarray:
    return as_array(meta["camMat"], 3, 3)


def _box_around(xyz: np.ndarray, K: np.ndarray) -> np.ndarray | None:
    """Return the square (3,) about the bounding box of the joints before the camera."""
    seen = xyz[xyz[:, 2] > 0]
    if len(seen) == 0:
        return None  # a fault that the checks find
    uv = project(K, seen)
    low, high = uv.min(axis=0), uv.max(axis=0)
    return np.array([*(low + high) / 2, (high - low).max()])
