"""YouTube 3D Hands (Kulon et al., CVPR 2020), the videos that are still available.

    ROOT/youtube_{train,val,test}.json    {"images": [...], "annotations": [...]}
    ROOT/<images[i].name>                 the frames that were downloaded

The labels are meshes of 778 vertices, (u, v) in px with a relative depth in the same unit. Joints
come from a 16 x 778 regressor that the user supplies (it is MANO's, under MANO's licence) and the
fingertips' vertices. Without one, the source is unlabelled, for pre-training only. The boxes are
those of the vertices. Frames that are not on this disk are left out and counted.
"""

import pickle
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from handpose.data.base import SPLITS, Split
from handpose.data.index.collector import Annotation, Collector, Hand, as_array
from handpose.data.index.json_stream import JsonError, known
from handpose.data.indexed import IndexedDataset
from handpose.data.subsets import number_of
from handpose.files import LARGEST_TEXT, regular
from handpose.skeleton import MANO_ORDER, MANO_TIP_VERTICES

_VERTICES = 778
_REGRESSOR = (16, _VERTICES)
_MAX_ROW_ERROR = 1e-2


class YouTube3D(IndexedDataset):
    """One split of YouTube 3D Hands.

    Args:
        joint_regressor: a .npy file, or a file of torch's with one tensor, (16, 778); None: no
            joints.
        **contract: arguments of `IndexedDataset`.

    Raises:
        ValueError: the regressor cannot be read safely, or is not one.
    """

    name = "youtube"
    landmarks = ("youtube_train.json", "youtube_val.json", "youtube_test.json")
    terms = "for researchers of academic institutions, research only (its repository's LICENSE)"

    def __init__(self, *, joint_regressor: str | None = None, **contract: Any) -> None:
        self._regressor = None if joint_regressor is None else load_regressor(Path(joint_regressor))
        super().__init__(**contract)

    def options(self) -> Any:
        return None if self._regressor is None else zlib.crc32(self._regressor.tobytes())

    @property
    def is_labelled(self) -> bool:
        return self._regressor is not None

    def _file(self, split: Split) -> Path:
        return self.root / f"youtube_{split}.json"

    def watched(self) -> list[Path]:
        folders = (path for path in self.root.glob("*/*") if path.is_dir())
        return [self._file(split) for split in SPLITS] + sorted(folders)

    def read(self, collector: Collector) -> None:
        found = [split for split in SPLITS if self._file(split).exists()]
        for split in found:
            try:
                self._read_split(collector, split)
            except JsonError as error:
                collector.problem(self.relative(error.path), str(error), fatal=True)
        if not found:
            collector.problem("youtube_train.json", "missing, and so are val and test", fatal=True)

    def _read_split(self, collector: Collector, split: Split) -> None:
        file = self._file(split)
        images = self._read_images(collector, file)
        for name, record in collector.members(file, file.name, "annotations"):
            with collector.record(name):
                image = known(images, record["image_id"], "image")
                if image is None:
                    collector.counts["hands on frames that are not on this disk, left out"] += 1
                    continue
                vertices = as_array(record["vertices"], _VERTICES, 3)
                if not np.isfinite(vertices).all():
                    raise ValueError("vertices are NaN or infinite")
                low, high = vertices[:, :2].min(axis=0), vertices[:, :2].max(axis=0)
                collector.add_hand(
                    Hand(
                        image=image["name"],
                        annotation=collector.add_annotation(name, self._labels(vertices)),
                        split=split,
                        box=np.array([*(low + high) / 2, (high - low).max()]),
                        is_left=bool(record["is_left"]),
                        identity=len(SPLITS) * record["id"] + SPLITS.index(split),
                        group=number_of(str(Path(image["name"]).parent)),
                        size=(image.get("width", 0), image.get("height", 0)),
                        place=image["hands"],
                    )
                )
                image["hands"] += 1

    def _read_images(self, collector: Collector, file: Path) -> dict[int, dict[str, Any] | None]:
        """Return {id: its record}, None for frames that are not on this disk."""
        images: dict[int, dict[str, Any] | None] = {}
        for name, record in collector.members(file, file.name, "images"):
            with collector.record(name):
                there = (self.root / record["name"]).exists()
                images[record["id"]] = {**record, "hands": 0} if there else None
                what = "frames on this disk" if there else "frames that are not on this disk"
                collector.counts[what] += 1
        return images

    def _labels(self, vertices: np.ndarray) -> Annotation:
        """Return the joints in px of the image, with a depth in the same unit."""
        if self._regressor is None:
            return Annotation()
        tips = vertices[list(MANO_TIP_VERTICES)]
        joints = np.concatenate((self._regressor @ vertices, tips))[list(MANO_ORDER)]
        return Annotation(uv=joints[:, :2], xyz=joints)


def load_regressor(path: Path) -> np.ndarray:
    """Read (16, 778) float64: joint = regressor @ vertices. Nothing in the file is executed.

    Raises:
        ValueError: it is not such a matrix, or cannot be read without executing it; names the file.
    """
    try:
        regular(path, most=LARGEST_TEXT)
        if path.suffix == ".npy":
            # Mapped, so that a false header takes no more memory than the file has.
            matrix = np.load(path, mmap_mode="r", allow_pickle=False)
        else:
            matrix = torch.load(path, map_location="cpu", weights_only=True).numpy()
        matrix = as_array(matrix, *_REGRESSOR)
    except (OSError, ValueError, AttributeError, pickle.UnpicklingError, RuntimeError) as error:
        raise ValueError(
            f"dataset.joint_regressor={path}: cannot be read safely as 16 x 778 numbers "
            f"({str(error).splitlines()[0]}). Save MANO's J_regressor with numpy.save as .npy"
        ) from error
    if not np.isfinite(matrix).all() or np.abs(matrix.sum(axis=1) - 1).max() > _MAX_ROW_ERROR:
        raise ValueError(
            f"dataset.joint_regressor={path}: each row must be finite and sum to 1, since a joint "
            "is a mean of vertices; save MANO's J_regressor again"
        )
    return matrix
