"""InterHand2.6M (Moon et al., ECCV 2020), single hands, read from its official layouts.

    v1.0: ROOT/annotations/{train,val,test}/InterHand2.6M_{split}_{data,camera,joint_3d}.json
          ROOT/annotations/{split}/aid_human_annot_{split}.txt, for annotations=human or machine
          ROOT/images/{train,val,test}/...
    v0.0: ROOT/InterHand2.6M.annotations.5.fps/{all,human_annot,machine_annot}/InterHand2.6M_*.json
          ROOT/InterHand2.6M_5fps_batch*/images/{train,val,test}/...

42 joints in mm in the world frame, the right hand's first, each finger from the tip in, the wrist
last. X_cam = R (X_world - campos). Images of two interacting hands are left out, and counted. The
boxes are the source's own.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handpose.data.base import SPLITS, Split
from handpose.data.index.collector import Collector, Hand, as_array
from handpose.data.index.json_stream import JsonError, known, members, records
from handpose.data.indexed import IndexedDataset
from handpose.data.sources.world_joints import WorldCamera, hand_labels, valid_joints, world_joints
from handpose.files import LARGEST_TEXT, regular

_FILES = ("camera", "joint_3d", "data")
_FOLDERS_V0 = {"all": "all", "human": "human_annot", "machine": "machine_annot"}
_ANNOTATIONS_V0 = "InterHand2.6M.annotations.5.fps"
_FRAMES = 1_000_000  # more than a capture has


class _Image(NamedTuple):
    """One record of the `images` list."""

    file_name: str
    size: tuple[int, int]  # width, height
    capture: str
    camera: str
    frame: str


class InterHand(IndexedDataset):
    """One split of InterHand2.6M.

    Args:
        annotations: "all", "human" or "machine", as its authors divide them.
        **contract: arguments of `IndexedDataset`.
    """

    name = "interhand"
    landmarks = (
        "annotations/train/InterHand2.6M_train_data.json",
        "annotations/val/InterHand2.6M_val_data.json",
        "annotations/test/InterHand2.6M_test_data.json",
        "InterHand2.6M.annotations.5.fps",
    )
    terms = "CC BY-NC 4.0 (its repository's README)"

    def __init__(self, *, annotations: str = "all", **contract: Any) -> None:
        if annotations not in _FOLDERS_V0:
            raise ValueError(f"dataset.annotations={annotations}: choose all, human or machine")
        self.annotations = annotations
        super().__init__(**contract)

    def options(self) -> Any:
        return self.annotations

    def _is_v0(self) -> bool:
        return (self.root / _ANNOTATIONS_V0).is_dir()

    def _file(self, split: Split, what: str) -> Path:
        folder = f"annotations/{split}"
        if self._is_v0():
            folder = f"{_ANNOTATIONS_V0}/{_FOLDERS_V0[self.annotations]}"
        return self.root / folder / f"InterHand2.6M_{split}_{what}.json"

    def _batches(self) -> list[Path]:
        """Return the folders that hold `{split}/` folders of images."""
        folders = sorted(self.root.glob("InterHand2.6M_5fps_batch*/images"))
        return folders if self._is_v0() else [self.root / "images"]

    def watched(self) -> list[Path]:
        files = [self._file(split, what) for split in SPLITS for what in _FILES]
        return files + [batch / split for batch in self._batches() for split in SPLITS]

    def read(self, collector: Collector) -> None:
        collector.layout = "v0.0" if self._is_v0() else "v1.0"
        found = [split for split in SPLITS if self._file(split, "data").exists()]
        for split in found:
            try:
                self._read_split(collector, split)
            except JsonError as error:
                collector.problem(self.relative(error.path), str(error), fatal=True)
        if not found:
            name = self.relative(self._file("train", "data"))
            collector.problem(name, "missing, and no other split is there", fatal=True)

    def _read_split(self, collector: Collector, split: Split) -> None:
        data = self._file(split, "data")
        cameras = self._read_cameras(collector, self._file(split, "camera"))
        joints = self._read_joints(collector, self._file(split, "joint_3d"))
        images = self._read_images(collector, data)
        chosen = self._chosen_ids(collector, split)
        for name, record in collector.members(data, self.relative(data), "annotations"):
            with collector.record(name):
                is_chosen = chosen is None or record["id"] in chosen
                if not (is_chosen and _is_single(collector, record)):
                    continue
                image = known(images, record["image_id"], "image")
                camera = known(cameras, (image.capture, image.camera), "camera")
                world = known(joints, (image.capture, image.frame), "joint_3d")
                valid, is_left = valid_joints(record["joint_valid"]), record["hand_type"] == "left"
                labels = hand_labels(world, valid, camera, is_left=is_left)
                annotation = collector.add_annotation(name, labels)
                path = self._image_path(split, image.file_name)
                collector.add_hand(_hand(record, image, path, split, annotation))

    def _read_cameras(self, collector: Collector, path: Path) -> dict[tuple[str, str], WorldCamera]:
        """Return {(capture, camera): WorldCamera}."""
        cameras = {}
        for (capture,), record in records(path, depth=1):
            for camera in record.get("campos", {}):
                with collector.record(f"{self.relative(path)}#{capture}/{camera}"):
                    fx, fy = as_array(record["focal"][camera], 2)
                    cx, cy = as_array(record["princpt"][camera], 2)
                    rotation = as_array(record["camrot"][camera], 3, 3)
                    cameras[str(capture), camera] = WorldCamera(
                        np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]),
                        rotation,
                        -rotation @ as_array(record["campos"][camera], 3),
                    )
        return cameras

    def _read_joints(self, collector: Collector, path: Path) -> dict[tuple[str, str], np.ndarray]:
        """Return {(capture, frame): (42, 3) mm, world}."""
        joints = {}
        for (capture, frame), record in records(path, depth=2):
            with collector.record(f"{self.relative(path)}#{capture}/{frame}"):
                joints[str(capture), str(frame)] = world_joints(record["world_coord"])
        return joints

    def _read_images(self, collector: Collector, path: Path) -> dict[int, _Image]:
        """Return {id: _Image}."""
        images: dict[int, _Image] = {}
        for name, record in collector.members(path, self.relative(path), "images"):
            with collector.record(name):
                images[record["id"]] = _Image(
                    record["file_name"],
                    (int(record["width"]), int(record["height"])),
                    *(str(record[key]) for key in ("capture", "camera", "frame_idx")),
                )
        return images

    def _image_path(self, split: Split, file_name: str) -> str:
        """Return the path relative to the root, in the batch that has the image."""
        places = [batch / split / file_name for batch in self._batches()]
        return self.relative(next((p for p in places[:-1] if p.exists()), places[-1]))

    def _chosen_ids(self, collector: Collector, split: Split) -> set[int] | None:
        """Return the ids of annotations=human or machine (v1.0); None for all."""
        if self._is_v0() or self.annotations == "all":
            return None
        path = self.root / "annotations" / split / f"aid_human_annot_{split}.txt"
        if not path.exists():
            reason = f"missing, and annotations={self.annotations} needs it"
            collector.problem(self.relative(path), reason, fatal=True)
            return set()
        try:
            ids = regular(path, most=LARGEST_TEXT).read_text(encoding="utf-8").split()
            human = {int(line) for line in ids}
        except (OSError, ValueError) as error:
            raise JsonError(path, f"cannot be read as numbers ({error})") from error
        if self.annotations == "human":
            return human
        data = self._file(split, "data")
        return {record["id"] for _, record in members(data, "annotations")} - human


def _is_single(collector: Collector, record: dict[str, Any]) -> bool:
    """Return whether it is a single hand of known side; others are counted."""
    if record["hand_type"] == "interacting":
        collector.counts["images of interacting hands, left out"] += 1
        return False
    if not record["hand_type_valid"]:
        collector.counts["images whose hand is of uncertain side, left out"] += 1
        return False
    if record["hand_type"] not in ("left", "right"):
        raise ValueError(f"hand_type {record['hand_type']!r} is not left, right or interacting")
    return True


def _hand(record: dict[str, Any], image: _Image, path: str, split: Split, annotation: int) -> Hand:
    u, v, width, height = as_array(record["bbox"], 4)
    is_left = record["hand_type"] == "left"
    return Hand(
        image=path,
        annotation=annotation,
        split=split,
        box=np.array([u + width / 2, v + height / 2, max(width, height)]),
        is_left=is_left,
        # One pose is seen by many cameras.
        identity=2 * (int(image.capture) * _FRAMES + int(image.frame)) + is_left,
        group=int(image.capture),
        size=image.size,
    )
