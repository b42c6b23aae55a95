"""FreiHAND v2 (Zimmermann et al., ICCV 2019), read from its official layout.

    ROOT/training/rgb/%08d.jpg        4 x N images of 224 x 224: N frames, then N x 3 re-composited
    ROOT/training_{K,xyz,scale}.json  N annotations; image i has annotation i mod N
    ROOT/evaluation/rgb/%08d.jpg      the official test images
    ROOT/evaluation_{K,scale}.json    and since 2022 evaluation_xyz.json: without it no test errors

Joints are in metres in the camera frame, in our order; all hands are right hands. The official
evaluation is the test split. The validation cut is ours and grouped by annotation, so that all
versions of a frame are on one side. Images are centred on the hand: the box is the centre and
`box_side` of the width.
"""

from pathlib import Path
from typing import Any

import numpy as np

from handpose.data.base import Split
from handpose.data.index.collector import Annotation, Collector, Hand, as_array
from handpose.data.index.json_stream import JsonError, records
from handpose.data.indexed import IndexedDataset
from handpose.skeleton import FREIHAND_SCALE_BONE

_SIDE = 224  # px
_WHOLE_IMAGE = np.array([(_SIDE - 1) / 2, (_SIDE - 1) / 2, _SIDE])
_NAMES = 8 * "[0-9]" + ".jpg"  # neither ._00000000.jpg nor 00000000 (1).jpg
_OFFICIAL: dict[Split, str] = {"train": "training", "test": "evaluation"}
_SHAPES: dict[str, tuple[int, ...]] = {"K": (3, 3), "xyz": (21, 3), "scale": ()}
_MAX_SCALE_ERROR = 1e-3  # metres between the scale and the bone that it is the length of

_Column = list[np.ndarray | None]  # None: a bad entry, already a problem


class FreiHand(IndexedDataset):
    """One split of FreiHAND.

    Args:
        box_side: side of the box as a part of the image's width.
        **contract: arguments of `IndexedDataset`.
    """

    name = "freihand"
    landmarks = ("training/rgb", "training_K.json", "evaluation_K.json")
    terms = "research only, any commercial use is prohibited, to be cited (its toolbox's README)"

    def __init__(self, *, box_side: float = 0.7, **contract: Any) -> None:
        super().__init__(**contract)
        self.box_scale = box_side

    def watched(self) -> list[Path]:
        folders = [self.root / official / "rgb" for official in _OFFICIAL.values()]
        files = [f"{official}_{key}.json" for official in _OFFICIAL.values() for key in _SHAPES]
        return folders + [self.root / file for file in files]

    def read(self, collector: Collector) -> None:
        if not any(self._has(official) for official in _OFFICIAL.values()):
            collector.problem("training_K.json", "missing, and so is evaluation_K.json", fatal=True)
        for split, official in _OFFICIAL.items():
            if self._has(official):
                self._read_split(collector, split, official)
            else:
                collector.counts[f"{official} annotations that are not on this disk"] += 1

    def _has(self, official: str) -> bool:
        """Return whether a split exists; a training folder counts even without labels."""
        is_training = official == _OFFICIAL["train"] and (self.root / official).is_dir()
        return is_training or (self.root / f"{official}_K.json").exists()

    def _read_split(self, collector: Collector, split: Split, official: str) -> None:
        columns = {key: self._read_column(collector, official, key) for key in _SHAPES}
        K, xyz = columns["K"], columns["xyz"]
        if K is None or (xyz is None and split == "train"):
            return  # `_read_column` noted why
        if any(column is not None and len(column) != len(K) for column in columns.values()):
            lengths = {f"{official}_{key}.json": len(c) for key, c in columns.items() if c}
            collector.problem(official, f"annotations of different lengths: {lengths}", fatal=True)
            return
        numbers = [
            self._add_annotation(collector, f"{official}_xyz.json#{i}", columns, i)
            for i in range(len(K))
        ]
        self._add_hands(collector, split, official, numbers)

    def _read_column(self, collector: Collector, official: str, key: str) -> _Column | None:
        """Return the entries of an annotation file; None, and a problem, if there are none."""
        name, entries = f"{official}_{key}.json", _Column()
        if not (self.root / name).exists():
            if key != "scale" and (official, key) != ("evaluation", "xyz"):
                collector.problem(name, "missing", fatal=True)
            return None
        try:
            for (place,), value in records(self.root / name, depth=1):
                entries.append(None)
                with collector.record(f"{name}#{place}"):
                    entries[-1] = as_array(value, *_SHAPES[key])
        except JsonError as error:
            collector.problem(name, str(error), fatal=True)
            return None
        return entries

    def _add_annotation(
        self, collector: Collector, record: str, columns: dict[str, _Column | None], i: int
    ) -> int | None:
        entry = {key: column[i] if column else None for key, column in columns.items()}
        if any(columns[key] and value is None for key, value in entry.items()):
            return None
        scale = 0.0 if entry["scale"] is None else float(entry["scale"])
        if entry["xyz"] is not None and scale:
            start, end = FREIHAND_SCALE_BONE
            bone = np.linalg.norm(entry["xyz"][end] - entry["xyz"][start])
            if abs(bone - scale) > _MAX_SCALE_ERROR:
                collector.problem(record, f"its scale bone is {bone:.4f} m, the scale {scale:.4f}")
                return None
        annotation = Annotation(xyz=entry["xyz"], K=entry["K"], scale=scale)
        return collector.add_annotation(record, annotation)

    def _add_hands(
        self, collector: Collector, split: Split, official: str, numbers: list[int | None]
    ) -> None:
        """Add hands: image i has annotation i mod N; each version must be complete or absent."""
        folder = f"{official}/rgb"
        found = sum(1 for _ in (self.root / folder).glob(_NAMES))
        if found == 0:
            collector.problem(folder, "holds no image such as 00000000.jpg", fatal=split == "train")
            return
        for i in range(-(-found // len(numbers)) * len(numbers)):
            frame, image = i % len(numbers), f"{folder}/{i:08d}.jpg"
            number = numbers[frame]
            if number is None:
                collector.add_image(image, (_SIDE, _SIDE))
                continue
            hand = Hand(image, number, split, _WHOLE_IMAGE, False, identity=frame, group=frame)
            collector.add_hand(hand._replace(size=(_SIDE, _SIDE)))
