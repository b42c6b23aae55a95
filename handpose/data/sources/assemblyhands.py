"""AssemblyHands v1.1 (Ohkawa et al., CVPR 2023), the egocentric images, in its official layout.

    ROOT/annotations/{train,val,test}/assemblyhands_{split}_ego_data_v1-1.json
    ROOT/annotations/{train,val,test}/assemblyhands_{split}_ego_calib_v1-1.json
    ROOT/annotations/{train,val,test}/assemblyhands_{split}_joint_3d_v1-1.json
    ROOT/images/ego_images_rectified/{train,val,test}/...

The images are grey and rectified: they have no fisheye distortion left, and K alone projects. 42
joints in mm in the world frame, in InterHand2.6M's order. A sequence has one K for each camera. The
camera moves with the head, so each frame has its own rotation and translation. Both hands of an
image are samples. Hands without a box or with fewer than ten labelled joints are left out, as in
the dataset's toolkit, and counted.

The official val is our test split, since published errors are of it and the labels of the official
test were kept back for challenges. The validation cut is ours and grouped by sequence.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handpose.data.base import Split
from handpose.data.index.collector import Collector, Hand, as_array
from handpose.data.index.json_stream import JsonError, known, records
from handpose.data.indexed import IndexedDataset
from handpose.data.sources.world_joints import (
    WorldCamera,
    hand_labels,
    own_joints,
    valid_joints,
    world_joints,
)
from handpose.data.subsets import number_of

_FILES = ("data", "calib", "joint_3d")
_SIDES = ("right", "left")  # in the order of the joints
_LEAST_JOINTS = 10  # labelled, as the toolkit has it
_SUFFIX = "_mono10bit"  # of a camera's name in the calibration

_Frame = tuple[str, str]  # sequence, frame


class _Image(NamedTuple):
    """One record of the `images` list."""

    path: str  # relative to the root
    size: tuple[int, int]  # width, height
    camera: str
    frame: _Frame


class _Calibration(NamedTuple):
    """The cameras of a split."""

    K: dict[tuple[str, str], np.ndarray]  # {(sequence, camera): (3, 3)}
    poses: dict[_Frame, dict[str, np.ndarray]]  # {frame: {camera: (3, 4), mm}}


class AssemblyHands(IndexedDataset):
    """One split of AssemblyHands.

    Args:
        test_split: official split that is the test split, "val" or "test".
        **contract: arguments of `IndexedDataset`.
    """

    name = "assemblyhands"
    landmarks = (
        "annotations/train/assemblyhands_train_ego_data_v1-1.json",
        "annotations/val/assemblyhands_val_ego_data_v1-1.json",
        "annotations/test/assemblyhands_test_ego_data_v1-1.json",
    )
    terms = "CC BY-NC 4.0 (its toolkit's README)"
    # The toolkit crops 1.75 times the box of the joints; `augment.margin` is 1.25.
    box_scale = 1.4

    def __init__(self, *, test_split: str = "val", **contract: Any) -> None:
        if test_split not in ("val", "test"):
            raise ValueError(f"dataset.test_split={test_split}: choose val or test")
        self.test_split = test_split
        super().__init__(**contract)

    def options(self) -> Any:
        return self.test_split

    def _file(self, official: str, what: str) -> Path:
        kind = "joint_3d" if what == "joint_3d" else f"ego_{what}"
        name = f"assemblyhands_{official}_{kind}_v1-1.json"
        return self.root / "annotations" / official / name

    def watched(self) -> list[Path]:
        officials = ("train", "val", "test")
        folders = [self.root / "images/ego_images_rectified" / name for name in officials]
        return folders + [self._file(name, what) for name in officials for what in _FILES]

    def read(self, collector: Collector) -> None:
        used: dict[Split, str] = {"train": "train", "test": self.test_split}
        found = {s: name for s, name in used.items() if self._file(name, "data").exists()}
        for split, official in found.items():
            try:
                self._read_split(collector, split, official)
            except JsonError as error:
                collector.problem(self.relative(error.path), str(error), fatal=True)
        for other in {"val", "test"} - set(used.values()):
            if self._file(other, "data").exists():
                collector.counts[f"annotation files of the official {other} split, not used"] = 3
        if not found:
            name = self.relative(self._file("train", "data"))
            collector.problem(name, f"missing, and so is that of {self.test_split}", fatal=True)

    def _read_split(self, collector: Collector, split: Split, official: str) -> None:
        data = self._file(official, "data")
        calibration = self._read_calibration(collector, self._file(official, "calib"))
        joints = self._read_joints(collector, self._file(official, "joint_3d"))
        images = self._read_images(collector, data)
        for name, record in collector.members(data, self.relative(data), "annotations"):
            with collector.record(name):
                image = known(images, record["image_id"], "image")
                if image.frame not in joints:
                    collector.counts["images without 3D joints, left out"] += 1
                    continue
                camera = _find_camera(calibration, image)
                self._add_hands(collector, name, record, split, image, camera, joints[image.frame])

    def _add_hands(
        self,
        collector: Collector,
        name: str,
        record: dict[str, Any],
        split: Split,
        image: _Image,
        camera: WorldCamera,
        world: np.ndarray,
    ) -> None:
        valid = valid_joints(record["joint_valid"])
        for place, side in enumerate(_SIDES):
            is_left, corners = side == "left", record["bbox"].get(side)
            if corners is None:
                collector.counts["hands without a box, left out"] += 1
                continue
            if valid[own_joints(is_left)].sum() < _LEAST_JOINTS:
                collector.counts[f"hands with under {_LEAST_JOINTS} labelled joints, left out"] += 1
                continue
            box = _square(corners, f"the box of the {side} hand")
            labels = hand_labels(world, valid, camera, is_left=is_left)
            annotation = collector.add_annotation(f"{name}/{side}", labels)
            # One pose is seen by up to four cameras.
            identity = 2 * number_of("/".join(image.frame)) + is_left
            group = number_of(image.frame[0])
            hand = Hand(image.path, annotation, split, box, is_left, identity, group, image.size)
            collector.add_hand(hand._replace(place=place))

    def _read_calibration(self, collector: Collector, path: Path) -> _Calibration:
        calibration = _Calibration({}, {})
        for (_, sequence, kind, key), value in records(path, depth=4, below="calibration"):
            with collector.record(f"{self.relative(path)}#{sequence}/{kind}/{key}"):
                if kind == "intrinsics":
                    calibration.K[str(sequence), str(key)] = as_array(value, 3, 3)
                elif kind == "extrinsics":
                    poses = {camera: as_array(pose, 3, 4) for camera, pose in value.items()}
                    calibration.poses[str(sequence), str(key)] = poses
        return calibration

    def _read_joints(self, collector: Collector, path: Path) -> dict[_Frame, np.ndarray]:
        """Return {frame: (42, 3) mm, world}."""
        joints = {}
        for (_, sequence, frame), record in records(path, depth=3, below="annotations"):
            with collector.record(f"{self.relative(path)}#{sequence}/{frame}"):
                joints[str(sequence), str(frame)] = world_joints(record["world_coord"])
        return joints

    def _read_images(self, collector: Collector, path: Path) -> dict[int, _Image]:
        """Return {id: _Image}."""
        images: dict[int, _Image] = {}
        for name, record in collector.members(path, self.relative(path), "images"):
            with collector.record(name):
                images[record["id"]] = _Image(
                    f"images/{record['file_name']}",
                    (int(record["width"]), int(record["height"])),
                    str(record["camera"]),
                    (str(record["seq_name"]), f"{int(record['frame_idx']):06d}"),
                )
        return images


def _find_camera(calibration: _Calibration, image: _Image) -> WorldCamera:
    """Return the camera of an image; its name in the calibration may have a suffix."""
    sequence = image.frame[0]
    is_bare = (sequence, image.camera) in calibration.K
    camera = image.camera if is_bare else image.camera + _SUFFIX
    K = known(calibration.K, (sequence, camera), "camera")
    poses = known(calibration.poses, image.frame, "camera pose of the frame")
    pose = known(poses, camera, f"camera pose in the frame {'/'.join(image.frame)} of")
    return WorldCamera(K, pose[:, :3], pose[:, 3])


def _square(corners: Any, what: str) -> np.ndarray:
    """Return the box (3,) about x0, y0, x1, y1 in px.

    Raises:
        ValueError: the corners are in another order; names `what`.
    """
    x0, y0, x1, y1 = as_array(corners, 4)
    if x1 <= x0 or y1 <= y0:
        raise ValueError(f"{what}, {[x0, y0, x1, y1]}, is not x0, y0, x1, y1")
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0)])
