"""Rendered Handpose Dataset (RHD, Zimmermann and Brox, ICCV 2017), read from its official layout.

    ROOT/RHD_published_v2/training/anno_training.pickle        {image number: its arrays}
    ROOT/RHD_published_v2/training/{color,mask}/%05d.png       41,258 images of 320 x 320
    ROOT/RHD_published_v2/evaluation/anno_evaluation.pickle
    ROOT/RHD_published_v2/evaluation/{color,mask}/%05d.png     2,728 images

Each image has `xyz` (42, 3) metres in the camera frame, `uv_vis` (42, 3) px and visibility, and
`K`. The left hand's joints come first; after the wrist, each finger from the tip in. The third
column of `uv_vis` says what is seen; joints that are hidden have exact labels too. The boxes are
those of the hand's pixels in the mask, without labels of joints.

`hands=all` takes both hands of an image, those with at least ten visible joints. `hands=dominant`
takes one hand an image, the one with more pixels, as the authors' evaluation does. The official
evaluation is the test split. The validation cut is ours and grouped by image, as the annotations
name neither characters nor actions.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from handpose.data.base import Split
from handpose.data.images import read_image
from handpose.data.index.collector import Annotation, Collector, Hand, as_array
from handpose.data.index.safe_pickle import load_arrays
from handpose.data.indexed import IndexedDataset
from handpose.progress import track
from handpose.skeleton import JOINT_ORDERS, NUM_JOINTS

_FOLDER = "RHD_published_v2"
_OFFICIAL: dict[Split, str] = {"train": "training", "test": "evaluation"}
_SIDE = 320  # px
_NAMES = 5 * "[0-9]" + ".png"  # neither ._00000.png nor 00000 (1).png
_LEAST_VISIBLE = 10  # joints of a hand with hands=all
# Classes of the mask: 0 the backdrop, 1 the person, then the parts of the left and the right hand.
_PARTS = {True: (2, 17), False: (18, 33)}  # {is_left: first and last}
_LEAST_FOR_PROGRESS = 2000  # images


class RenderedHands(IndexedDataset):
    """One split of RHD.

    Args:
        hands: "all" or "dominant", see this module.
        **contract: arguments of `IndexedDataset`.
    """

    name = "rhd"
    landmarks = (
        "RHD_published_v2",
        "training/anno_training.pickle",
        "evaluation/anno_evaluation.pickle",
    )
    terms = "research only, any commercial use is prohibited, to be cited (its web page)"

    def __init__(self, *, hands: str = "all", **contract: Any) -> None:
        if hands not in ("all", "dominant"):
            raise ValueError(f"dataset.hands={hands}: choose all or dominant")
        self.hands = hands
        super().__init__(**contract)

    def options(self) -> Any:
        return self.hands

    def _folder(self, official: str) -> Path:
        inner = self.root / _FOLDER
        return (inner if inner.is_dir() else self.root) / official

    def _labels_file(self, official: str) -> Path:
        return self._folder(official) / f"anno_{official}.pickle"

    def watched(self) -> list[Path]:
        names = _OFFICIAL.values()
        folders = [self._folder(name) / what for name in names for what in ("color", "mask")]
        return [self._labels_file(name) for name in names] + folders

    def read(self, collector: Collector) -> None:
        found = {s: name for s, name in _OFFICIAL.items() if self._labels_file(name).exists()}
        for split, official in found.items():
            self._read_split(collector, split, official)
        if not found:
            name = self.relative(self._labels_file("training"))
            collector.problem(name, "missing, and so is anno_evaluation.pickle", fatal=True)

    def _read_split(self, collector: Collector, split: Split, official: str) -> None:
        file = self._labels_file(official)
        name = self.relative(file)
        try:
            content = load_arrays(file)
        except ValueError as error:
            collector.problem(name, str(error).removeprefix(f"{file}: "), fatal=True)
            return
        if not isinstance(content, dict) or not all(type(key) is int for key in content):
            collector.problem(name, "it is not a dict of images by their numbers", fatal=True)
            return
        self._name_unlabelled(collector, official, content)
        for number, record in _tracked(content, name):
            with collector.record(f"{name}#{number}"):
                self._read_image(collector, split, official, f"{name}#{number}", number, record)

    def _name_unlabelled(
        self, collector: Collector, official: str, content: dict[int, Any]
    ) -> None:
        """Name images that have no annotation."""
        for path in sorted((self._folder(official) / "color").glob(_NAMES)):
            if int(path.stem) not in content:
                reason = f"it has no annotation in anno_{official}.pickle"
                collector.problem(self.relative(path), reason)

    def _read_image(
        self,
        collector: Collector,
        split: Split,
        official: str,
        name: str,
        number: int,
        record: dict[str, Any],
    ) -> None:
        xyz = as_array(record["xyz"], 2 * NUM_JOINTS, 3)
        uv_vis = as_array(record["uv_vis"], 2 * NUM_JOINTS, 3)
        K = as_array(record["K"], 3, 3)
        folder = self._folder(official)
        mask = self._read_mask(collector, folder / "mask" / f"{number:05d}.png")
        if mask is None:
            return
        for is_left in self._chosen(mask):
            own = (0 if is_left else NUM_JOINTS) + np.array(JOINT_ORDERS["rhd"])
            box = self._visible_box(collector, mask, uv_vis[own], is_left)
            if box is not None:
                side = "left" if is_left else "right"
                labels = Annotation(uv=uv_vis[own, :2], xyz=xyz[own], K=K)
                collector.add_hand(
                    Hand(
                        image=self.relative(folder / "color" / f"{number:05d}.png"),
                        annotation=collector.add_annotation(f"{name}/{side}", labels),
                        split=split,
                        box=box,
                        is_left=is_left,
                        identity=2 * number + is_left,
                        group=number,
                        size=(_SIDE, _SIDE),
                        place=int(not is_left),
                    )
                )

    def _read_mask(self, collector: Collector, path: Path) -> np.ndarray | None:
        """Return the classes (H, W) uint8 of an image's pixels; None, and a problem, if bad."""
        try:
            mask = read_image(path)[..., 0]
            if mask.shape == (_SIDE, _SIDE):
                return mask
            reason = f"{mask.shape[1]} x {mask.shape[0]} px, where {_SIDE} x {_SIDE} are expected"
        except ValueError as error:
            reason = str(error).removeprefix(f"{path}: ")
        collector.problem(self.relative(path), reason)
        return None

    def _chosen(self, mask: np.ndarray) -> tuple[bool, ...]:
        """Return `is_left` of the hands to take."""
        if self.hands == "all":
            return (True, False)
        left, right = (_of_hand(mask, is_left).sum() for is_left in (True, False))
        return (bool(left > right),)

    def _visible_box(
        self, collector: Collector, mask: np.ndarray, uv_vis: np.ndarray, is_left: bool
    ) -> np.ndarray | None:
        """Return centre u, centre v and side (3,) of the seen part of a hand; None: left out."""
        inside = ((uv_vis[:, :2] >= 0) & (uv_vis[:, :2] <= _SIDE - 1)).all(axis=1)
        if self.hands == "all" and (inside & (uv_vis[:, 2] > 0)).sum() < _LEAST_VISIBLE:
            text = f"hands with under {_LEAST_VISIBLE} visible joints, left out"
            collector.counts[text] += 1
            return None
        box = _box_of_pixels(_of_hand(mask, is_left))
        if box is None or not (np.abs(uv_vis[:, :2] - box[:2]) <= box[2] / 2).all(axis=1).any():
            collector.counts["hands of which no joint is at a pixel of the mask, left out"] += 1
            return None
        return box


def _tracked(content: dict[int, Any], name: str) -> Iterable[tuple[int, Any]]:
    records = sorted(content.items())
    if len(records) < _LEAST_FOR_PROGRESS:
        return records
    return track(records, what=f"reading the masks of {name}", total=len(records))


def _box_of_pixels(pixels: np.ndarray) -> np.ndarray | None:
    """Return the square (3,) about the true pixels of (H, W) bool; None if there are none."""
    rows, columns = np.nonzero(pixels)
    if len(rows) == 0:
        return None
    low, high = (np.array([end(columns), end(rows)], dtype=float) for end in (np.min, np.max))
    return np.array([*(low + high) / 2, (high - low).max() + 1])


def _of_hand(mask: np.ndarray, is_left: bool) -> np.ndarray:
    """Return (H, W) bool, which pixels are of the hand."""
    first, last = _PARTS[is_left]
    return (mask >= first) & (mask <= last)
