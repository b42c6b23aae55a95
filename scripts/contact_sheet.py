"""`python scripts/contact_sheet.py OUT.png [--split test] [--plain] [GROUP=CHOICE] [KEY=VALUE] ...`

Draws samples of a dataset with their joints (without them: --plain), as train.py would load it.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from hydra import compose, initialize_config_dir

from handpose.build import build_caps, build_dataset
from handpose.config import register
from handpose.data.base import SPLITS, HandDataset
from handpose.hand import NUM_JOINTS
from handpose.records import Sample
from handpose.report.drawing import draw_skeleton, enlarge, rgb
from handpose.report.style import joint_colour

CONF = Path(__file__).resolve().parents[1] / "conf"


def tile(sample: Sample, *, size: int, plain: bool) -> np.ndarray:
    """One sample (size, size, 3) RGB, its skeleton over it unless `plain`."""
    everything = np.empty((0, 2))
    picture, to_picture = enlarge(sample.image, everything, size=size)
    if plain:
        return picture
    uv = sample.uv @ to_picture[:, :2].T + to_picture[:, 2]
    colours = [rgb(joint_colour(joint)) for joint in range(NUM_JOINTS)]
    return draw_skeleton(picture, uv, sample.uv_valid, colours=colours, thickness=2)


def sheet(dataset: HandDataset, *, count: int, columns: int, size: int, plain: bool) -> np.ndarray:
    """`count` samples, evenly spread over the dataset, in rows of `columns`."""
    places = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).astype(int)
    tiles = [tile(dataset[int(place)], size=size, plain=plain) for place in places]
    tiles += [np.full((size, size, 3), 255, np.uint8)] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    return np.vstack(rows)


def main() -> None:
    """Reads the command line and writes the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--split", choices=SPLITS, default="test")
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--plain", action="store_true", help="without the joints")
    parser.add_argument("overrides", nargs="*", help="as for train.py")
    arguments = parser.parse_intermixed_args()
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=arguments.overrides)
    dataset = build_dataset(cfg.dataset, arguments.split, build_caps(cfg))
    picture = sheet(dataset, count=arguments.count, columns=4, size=256, plain=arguments.plain)
    if not cv2.imwrite(str(arguments.out), picture[..., ::-1]):
        raise SystemExit(f"{arguments.out} could not be written")
    print(f"{len(dataset)} samples in the {arguments.split} split; {arguments.out}")


if __name__ == "__main__":
    main()
