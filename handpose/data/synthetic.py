"""Synthetic hands: rendered once into a cache, the same for the same settings anywhere.

Sample i of a split is drawn from (seed, split, i) alone, so the splits are disjoint, and a longer
split begins with a shorter one's hands.
"""

from pathlib import Path
from typing import Any

import numpy as np

from handpose.data.base import HandDataset, Joints, all_valid
from handpose.data.renders import rendered
from handpose.records import Sample


class Synthetic(HandDataset):
    """Rendered hands with complete labels.

    Args:
        root: the folder for the renders (`${paths.cache}/synthetic`).
        num_train, num_val, num_test: hands of each split.
        render_size: side of the rendered images in px.
        orientation: "frontal", "upright" or "any" (see `handpose.synthetic.render`).
        seed: of the renders, not of the run.
        **contract: what every dataset takes (see `HandDataset`).
    """

    name = "synthetic"
    terms = "rendered by this program, under its own licence (MIT)"

    def __init__(
        self,
        *,
        root: str,
        num_train: int,
        num_val: int,
        num_test: int,
        render_size: int,
        orientation: str,
        seed: int,
        **contract: Any,
    ) -> None:
        super().__init__(**contract)
        counts = {"train": num_train, "val": num_val, "test": num_test}
        count = min(counts[self.split], self.max_samples or counts[self.split])
        if count < 1:
            raise ValueError(f"dataset.num_{self.split}={count}: at least one hand is needed")
        self._hands = rendered(
            Path(root),
            self.split,
            count=count,
            size=render_size,
            orientation=orientation,
            seed=seed,
        )

    def __len__(self) -> int:
        return len(self._hands["image"])

    def __getitem__(self, index: int) -> Sample:
        hand = {name: array[index] for name, array in self._hands.items()}
        valid = all_valid()
        return Sample(
            image=np.array(hand["image"]),
            uv=np.array(hand["uv"]),
            xyz=np.array(hand["xyz"]),
            K=np.array(hand["K"]),
            uv_valid=valid,
            xyz_valid=valid,
            box=self.choose_box(np.array(hand["box"]), hand["uv"], valid),
            side="left" if hand["is_left"] else "right",
            key=f"synthetic/{self.split}/{index:08d}#0",
        )

    @property
    def identities(self) -> np.ndarray:
        return np.arange(len(self))

    @property
    def fingerprint(self) -> str:
        return self._hands.folder.name

    def joints(self) -> Joints:
        uv = np.array(self._hands["uv"])
        return Joints(uv, np.ones(uv.shape[:2], dtype=bool), np.array(self._hands["is_left"]))

    def poses(self, indices: np.ndarray | None = None) -> np.ndarray:
        chosen = slice(None) if indices is None else indices
        poses = np.array(self._hands["xyz"][chosen])
        poses[self._hands["is_left"][chosen], :, 0] *= -1
        return poses
