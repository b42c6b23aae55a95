"""FreiHAND v2 (Zimmermann et al., ICCV 2019), read from its official layout.

    ROOT/training/rgb/%08d.jpg        4 x N images of 224 x 224: N frames, then N x 3 re-composited
    ROOT/training_{K,xyz,scale}.json  N annotations; image i has annotation i mod N
    ROOT/evaluation/rgb/%08d.jpg      the official test images
    ROOT/evaluation_{K,scale}.json, and since 2022 evaluation_{xyz,verts}.json

Joints are in metres in the camera frame, in our order; all hands are right hands. The official
evaluation is the test split; the validation cut is ours and grouped by annotation, so that the
versions of a frame never lie on both sides. Images are centred on the hand: the box is the centre
and `box_side` of the width.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from handpose.data.base import HandDataset, MissingSplitError, all_valid
from handpose.data.images import read_image
from handpose.geometry.camera import project
from handpose.records import Sample

LAYOUT = (
    "training/rgb/00000000.jpg ..., training_K.json, training_xyz.json, evaluation/rgb/, "
    "evaluation_K.json, evaluation_xyz.json"
)
# The cut into training and validation is the same in every run.
_SPLIT_SEED = 20190912


class FreiHand(HandDataset):
    """One split of FreiHAND.

    Args:
        root: the folder as unpacked.
        val_fraction: part of the training annotations kept for validation.
        box_side: side of the box as a part of the image's width.
        **contract: what every dataset takes (see `HandDataset`).
    """

    name = "freihand"

    def __init__(self, *, root: str, val_fraction: float, box_side: float, **contract: Any) -> None:
        super().__init__(**contract)
        self.root = Path(root)
        self.box_side = box_side
        self.official = "evaluation" if self.split == "test" else "training"
        self._K = self._annotation("K", (3, 3))
        self._xyz = self._annotation("xyz", (21, 3))
        if len(self._K) != len(self._xyz):
            raise ValueError(
                f"{self.root}: {self.official}_K.json has {len(self._K)} entries, "
                f"{self.official}_xyz.json {len(self._xyz)}; unpack the dataset again"
            )
        self._indices = self._choose(self._count_images(), val_fraction)[: self.max_samples]
        if len(self._indices) == 0:
            raise MissingSplitError(f"{self.root}: no image for the {self.split} split")

    def _annotation(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """(N, *shape) float32 of one annotation file, finite."""
        path = self.root / f"{self.official}_{name}.json"
        if not path.is_file():
            kind = MissingSplitError if self.root.is_dir() else ValueError
            raise kind(f"{path} is missing; FreiHAND's layout is ROOT/{{{LAYOUT}}}")
        try:
            values = np.asarray(json.loads(path.read_text()), dtype=np.float32)
        except ValueError as error:
            raise ValueError(f"{path} is not a list of arrays of {shape}: {error}") from error
        if values.shape[1:] != shape:
            raise ValueError(f"{path} holds {values.shape[1:]} arrays; FreiHAND has {shape}")
        if not np.isfinite(values).all():
            bad = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(1))
            raise ValueError(f"{path}: entries {bad[:5].tolist()} hold NaN or infinity")
        return values

    def _count_images(self) -> int:
        """The number of images; a multiple of the number of annotations."""
        count = sum(1 for _ in (self.root / self.official / "rgb").glob("*.jpg"))
        if count == 0 or count % len(self._K):
            raise ValueError(
                f"{self.root / self.official / 'rgb'} holds {count} images, which is no multiple "
                f"of the {len(self._K)} annotations; unpack the dataset again"
            )
        return count

    def _choose(self, num_images: int, val_fraction: float) -> np.ndarray:
        """The images (N,) of this split, whole identities at a time."""
        images = np.arange(num_images)
        if self.split == "test":
            return images
        order = np.random.default_rng(_SPLIT_SEED).permutation(len(self._K))
        held_out = np.zeros(len(self._K), dtype=bool)
        held_out[order[: round(val_fraction * len(order))]] = True
        return images[held_out[images % len(self._K)] == (self.split == "val")]

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Sample:
        number = int(self._indices[index])
        image = read_image(self.root / self.official / "rgb" / f"{number:08d}.jpg")
        K, xyz = self._K[number % len(self._K)], self._xyz[number % len(self._K)]
        uv, valid = project(K, xyz), all_valid()
        height, width = image.shape[:2]
        centre = np.array([(width - 1) / 2, (height - 1) / 2, self.box_side * width], np.float32)
        return Sample(
            image=image,
            uv=uv,
            xyz=xyz,
            K=K,
            uv_valid=valid,
            xyz_valid=valid,
            box=self.choose_box(centre, uv, valid),
            side="right",
            key=f"freihand/{self.official}/{number:08d}#0",
        )

    @property
    def identities(self) -> np.ndarray:
        return self._indices % len(self._K)

    def poses(self) -> np.ndarray:
        return self._xyz[np.unique(self.identities)]
