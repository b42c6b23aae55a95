"""The files of `benchmarks.images` as a dataset of handpose: one hand each, with all labels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.images import BOX

from handpose.data.sources.manifest import Manifest
from handpose.data.synthetic.render import RenderedHand, render_right_hand


def label(paths: list[Path], hand: RenderedHand, height: int, width: int) -> None:
    """Writes labels.jsonl beside the files. The labels of one hand serve for all.

    Args:
        paths: Of the files, in one folder.
        hand: Rendered for images as wide as high.
        height: Of the images in px.
        width: Of the images in px.
    """
    left = (width - height) // 2
    K = hand.K + np.array([[0, 0, left], [0, 0, 0], [0, 0, 0]])
    row = {
        "side": "right",
        "uv": (hand.uv + np.array([left, 0])).tolist(),
        "xyz": hand.xyz.tolist(),
    }
    row |= {"K": K.tolist(), "box": [(width - 1) / 2, (height - 1) / 2, BOX * height]}
    lines = [json.dumps({"image": path.name, **row}) for path in paths]
    (paths[0].parent / "labels.jsonl").write_text("\n".join(lines))


def some_hand(height: int) -> RenderedHand:
    """Renders a hand for images of that height in px."""
    return render_right_hand(np.random.default_rng(0), size=height, orientation="upright")[0]


def dataset(folder: Path, cache: Path, size: int, **contract: Any) -> Manifest:
    """Opens the labelled files as training reads them.

    Args:
        folder: Of the files.
        cache: Folder for the index and the packs.
        size: Side of a view in px.
        **contract: Arguments of `HandDataset`.
    """
    where: dict[str, Any] = {"root": str(folder), "cache": str(cache / "index")}
    return Manifest(**where, file="labels.jsonl", split="train", image_size=size, **contract)
