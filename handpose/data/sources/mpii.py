"""The MPII/CMU hand labels (Simon et al., CVPR 2017), read from their official layout.

    ROOT/hand_labels/manual_train/NAME.jpg, NAME.json
    ROOT/hand_labels/manual_test/NAME.jpg, NAME.json

`hand_pts` is 21 x (u, v, labelled): 2D only, the third number is a flag and never a depth. The only
boxes are those of the joints, so pre-training on this source uses labels to crop. The official
manual_test is the test split. The validation cut is ours and grouped by video (or by image), so
that neighbouring frames are on one side.
"""

import re
from pathlib import Path

from handpose.data.base import Split, joint_box
from handpose.data.index.collector import Annotation, Collector, Hand, as_array
from handpose.data.index.json_stream import JsonError, records
from handpose.data.indexed import IndexedDataset
from handpose.data.subsets import number_of
from handpose.skeleton import NUM_JOINTS

_FOLDERS: dict[Split, str] = {
    "train": "hand_labels/manual_train",
    "test": "hand_labels/manual_test",
}
# Neither ._NAME.jpg, which macOS leaves, nor NAME (1).jpg, a second download.
_NAMES = re.compile(r"(?!\.)(?!.* \(\d+\)\.\w+$).*\.(jpg|json)", re.DOTALL)


class MpiiHands(IndexedDataset):
    """One split of the hand labels.

    Args:
        **contract: arguments of `IndexedDataset`.
    """

    name = "mpii"
    landmarks = ("hand_labels",)
    box_from_joints = True

    def watched(self) -> list[Path]:
        folders = [self.root / folder for folder in _FOLDERS.values()]
        return folders + [label for folder in folders for label in sorted(folder.glob("*.json"))]

    def read(self, collector: Collector) -> None:
        for split, folder in _FOLDERS.items():
            found = (self.root / folder).glob("*")
            for stem in sorted({path.stem for path in found if _NAMES.fullmatch(path.name)}):
                self._read_hand(collector, split, f"{folder}/{stem}")
        if not collector.images and not collector.problems:
            collector.problem(_FOLDERS["train"], "holds no NAME.json", fatal=True)

    def _read_hand(self, collector: Collector, split: Split, name: str) -> None:
        label = f"{name}.json"
        if not (self.root / label).exists():
            collector.problem(f"{name}.jpg", "has no .json beside it")
            return
        with collector.record(label):
            try:
                content = dict(records(self.root / label, depth=0))[()]
            except JsonError as error:
                raise ValueError(str(error)) from None
            points = as_array(content["hand_pts"], NUM_JOINTS, 3)
            labelled = points[:, 2] > 0
            if not labelled.any():
                raise ValueError("no joint is labelled")
            annotation = Annotation(uv=points[:, :2], uv_valid=labelled)
            collector.add_hand(
                Hand(
                    image=f"{name}.jpg",
                    annotation=collector.add_annotation(label, annotation),
                    split=split,
                    box=joint_box(points[labelled, :2]),
                    is_left=bool(content["is_left"]),
                    identity=number_of(name),
                    group=number_of(_video(name)),
                )
            )


def _video(name: str) -> str:
    """Return the video of an image ("ex2_2.flv_000040_l": ex2_2.flv), else the image's name."""
    return re.sub(r"(?<=\.flv)_\d+_[lr]$|(?<=\.mp4)_\d+_[lr]$|_\d+_[lr]$|_[lr]$", "", name)
