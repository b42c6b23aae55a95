"""COCO keypoints JSON with the 21 joints of hands, as annotation tools and mmpose write it.

    ROOT/labels.json   (dataset.file)   {"images": [...], "annotations": [...], "categories": [...]}
    ROOT/<file_name>                    the images; also beside the file, or in a folder of ROOT
    ROOT/val.json, ROOT/test.json       optional: dataset.val_file, dataset.test_file

`keypoints` is 21 x (u, v, flag) in px: flag 0 for a joint that is not labelled, 1 for an occluded
one, 2 for a visible one. `bbox` (x, y, width, height) is the crop box, else the joints are. The
order of the joints comes from the keypoint names of the category, or from `joint_order`. The side
comes from a field (side, hand_side, hand_type, handedness, is_left, is_right, of the annotation or
its attributes), from the name of the category, or from `side`. A person of COCO-WholeBody gives up
to two hands, of the fields lefthand_kpts and righthand_kpts. `joint_cam` in mm and the `cam_param`
of the image, which mmpose's files may have, are 3D labels.

Other annotations, such as persons, are left out and counted. Without `val_file`, the validation cut
is ours: by image, and by folder or video where the names of the images say so.
"""

import posixpath
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from handpose.data.base import Split
from handpose.data.images import read_image
from handpose.data.index.collector import Collector, Hand, as_array
from handpose.data.index.json_stream import JsonError, known
from handpose.data.indexed import IndexedDataset
from handpose.data.sources.coco_annotations import (
    Category,
    CocoImage,
    LabelledHand,
    OrderError,
    hands_of,
    read_category,
)
from handpose.data.sources.coco_images import image_folder
from handpose.data.sources.folder_images import group_by_name
from handpose.data.subsets import number_of
from handpose.records import Side
from handpose.skeleton import JOINT_ORDERS, NUM_JOINTS

_SHOWN = 5  # .json files


class Coco(IndexedDataset):
    """One split of COCO keypoints files.

    Args:
        file: of the annotations, relative to the root.
        val_file: of the validation split; None: cut from `file`.
        test_file: of the test split; None: there is none.
        images: folder of all images, relative to the root; None: found for each file.
        joint_order: name in `handpose.skeleton.JOINT_ORDERS`, or for each of our 21 joints its
            place in the file; None: by the keypoint names of the category.
        side: of hands whose side the file does not state; None: such a hand is refused.
        upright: True: labels are in px of the image as shown, turned by EXIF; False: of the file as
            stored; None: unknown, and an image with an EXIF turn is refused.
        **contract: arguments of `IndexedDataset`.
    """

    name = "coco"

    def __init__(
        self,
        *,
        file: str = "labels.json",
        val_file: str | None = None,
        test_file: str | None = None,
        images: str | None = None,
        joint_order: str | Sequence[int] | None = None,
        side: Side | None = None,
        upright: bool | None = None,
        **contract: Any,
    ) -> None:
        named: dict[Split, str | None] = {"train": file, "val": val_file, "test": test_file}
        self.files = {split: name for split, name in named.items() if name}
        self.images, self.side, self.upright = images, side, upright
        self.joint_order = _as_order(joint_order)
        super().__init__(**contract)

    def options(self) -> Any:
        return [self.files, self.images, self.joint_order, self.side, self.upright]

    def read_image(self, path: Path) -> np.ndarray:
        return read_image(path, upright=bool(self.upright))

    def watched(self) -> list[Path]:
        return [self.root / file for file in self.files.values()]

    def _choose(self, val_fraction: float | None) -> np.ndarray:
        return super()._choose(None if "val" in self.files else val_fraction)

    def read(self, collector: Collector) -> None:
        collector.upright = self.upright
        split_of: dict[str, Split] = {}  # of the images with hands
        orders: set[tuple[int, ...]] = set()
        for split, file in self.files.items():
            if not (self.root / file).exists():
                collector.problem(file, _missing(self.root, split), fatal=True)
                continue
            try:
                categories = self._read_categories(collector, file)
                orders.update(kind.order for kind in categories.values() if kind.order)
                self._read_split(collector, split, categories, split_of)
            except (JsonError, _FileError) as error:
                collector.problem(file, str(error), fatal=True)
        if len(orders) == 1:  # the doctor may then name another one
            collector.order_key, collector.read_by = "dataset.joint_order", orders.pop()

    def _read_split(
        self,
        collector: Collector,
        split: Split,
        categories: dict[Any, Category],
        split_of: dict[str, Split],
    ) -> None:
        file = self.files[split]
        images = self._read_images(collector, file)
        groups = _groups(collector, images, is_cut=split == "train" and "val" not in self.files)
        places: Counter[str] = Counter()
        without_order = set()
        for name, record in collector.members(self.root / file, file, "annotations"):
            try:
                with collector.record(name):
                    image = known(images, record["image_id"], "image")
                    for hand in self._hands(record, image, categories, collector.counts):
                        if split_of.setdefault(image.path, split) != split:
                            other = self.files[split_of[image.path]]
                            raise ValueError(f"{other} has hands of its image too, {image.path}")
                        _add(collector, name, hand, image, split, groups[image.path], places)
            except OrderError as error:
                without_order.add(str(error))
        for reason in sorted(without_order):
            collector.problem(file, reason, fatal=True)

    def _hands(
        self,
        record: dict[str, Any],
        image: CocoImage,
        categories: dict[Any, Category],
        counts: Counter[str],
    ) -> Iterator[LabelledHand]:
        number = record.get("category_id")
        category = None if number is None else known(categories, number, "category")
        return hands_of(record, image, category, default_side=self.side, counts=counts)

    def _read_categories(self, collector: Collector, file: str) -> dict[Any, Category]:
        """Return {id: category}."""
        categories = {}
        for name, record in collector.members(self.root / file, file, "categories"):
            with collector.record(name):
                categories[record["id"]] = read_category(record, self.joint_order)
        return categories

    def _read_images(self, collector: Collector, file: str) -> dict[Any, CocoImage]:
        """Return {id: image}."""
        images = {}
        for name, record in collector.members(self.root / file, file, "images"):
            with collector.record(name):
                images[record["id"]] = _image(record)
        if not images:
            raise _FileError("it has no image")
        names = [image.path for image in images.values()]
        try:
            folder = self.images or image_folder(self.root, file, names)
        except ValueError as error:
            raise _FileError(str(error)) from None
        # One image has one path, so that two files that go up to it are seen to share it.
        return {
            number: image._replace(path=posixpath.normpath(posixpath.join(folder, image.path)))
            for number, image in images.items()
        }


class _FileError(ValueError):
    """A COCO file cannot be used."""


def _missing(root: Path, split: Split) -> str:
    """Return what is wrong if the file of a split is missing, with the files that are there."""
    key = "file" if split == "train" else f"{split}_file"
    paths = sorted([*root.glob("*.json"), *root.glob("*/*.json")])[:_SHOWN]
    names = ", ".join(path.relative_to(root).as_posix() for path in paths) or "no .json file"
    return f"missing; set dataset.{key} to the annotation file. There is {names}"


def _as_order(value: str | Sequence[int] | None) -> tuple[int, ...] | None:
    """Return the order that a setting names or lists; raises ValueError for another value."""
    if value is None:
        return None
    if isinstance(value, str):
        if value not in JOINT_ORDERS:
            names = ", ".join(JOINT_ORDERS)
            raise ValueError(f"dataset.joint_order={value}: choose one of {names}, or list numbers")
        return JOINT_ORDERS[value]
    if sorted(value) != list(range(NUM_JOINTS)):
        text = f"list each number from 0 to {NUM_JOINTS - 1} once"
        raise ValueError(f"dataset.joint_order={list(value)}: {text}")
    return tuple(value)


def _image(record: dict[str, Any]) -> CocoImage:
    """Read an image; its path is relative to the folder of the images."""
    name = str(record["file_name"]).replace("\\", "/")  # tools on Windows
    if not name or PurePosixPath(name).is_absolute():
        raise ValueError(f"file_name is {name!r}; write a path relative to the images' folder")
    K, camera = None, record.get("cam_param")
    if camera is not None:
        (fx, fy), (cx, cy) = as_array(camera["focal"], 2), as_array(camera["princpt"], 2)
        K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    size = int(record.get("width") or 0), int(record.get("height") or 0)
    return CocoImage(name, size, K)


def _groups(collector: Collector, images: dict[Any, CocoImage], *, is_cut: bool) -> dict[str, int]:
    """Return {path of an image: its capture group}; if not cut, each image is its own."""
    names = list(dict.fromkeys(image.path for image in images.values()))
    groups = names
    if is_cut:
        groups, kind = group_by_name(names)
        collector.layout = f"cut into training and validation by {kind}"
    return {name: number_of(group) for name, group in zip(names, groups, strict=True)}


def _add(
    collector: Collector,
    record: str,
    hand: LabelledHand,
    image: CocoImage,
    split: Split,
    group: int,
    places: Counter[str],
) -> None:
    place = places[image.path]
    places[image.path] += 1
    collector.add_hand(
        Hand(
            image=image.path,
            annotation=collector.add_annotation(record, hand.annotation),
            split=split,
            box=hand.box,
            is_left=hand.side == "left",
            identity=number_of(f"{image.path}#{place}"),
            group=group,
            size=image.size,
            place=place,
        )
    )
