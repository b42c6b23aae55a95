"""`python scripts/contact_sheet.py OUT.png [--split test] [--plain] [GROUP=CHOICE] [KEY=VALUE] ...`

Draws samples of a dataset with their joints and boxes (without them: --plain), as train.py would
load it.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from hydra import compose, initialize_config_dir

from handpose.config import check_command_line
from handpose.config.schema import register
from handpose.config.writing import path_argument
from handpose.data.base import SPLITS
from handpose.doctor.contact_sheet import grid, tile
from handpose.pipeline.parts import build_caps, build_dataset

CONF = Path(__file__).resolve().parents[1] / "conf"
_COLUMNS, _SIZE = 4, 256  # px of a tile


def main() -> None:
    """Reads the command line and writes the sheet: samples evenly spread over the dataset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=path_argument)
    parser.add_argument("--split", choices=SPLITS, default="test")
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--plain", action="store_true", help="without the joints and boxes")
    parser.add_argument("overrides", nargs="*", help="as for train.py")
    arguments = parser.parse_intermixed_args()
    register()
    check_command_line(arguments.overrides)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=arguments.overrides)
    dataset = build_dataset(cfg.dataset, arguments.split, build_caps(cfg))
    places = np.linspace(0, len(dataset) - 1, min(arguments.count, len(dataset))).astype(int)
    tiles = [tile(dataset[int(place)], size=_SIZE, plain=arguments.plain) for place in places]
    if not cv2.imwrite(str(arguments.out), grid(tiles, columns=_COLUMNS)[..., ::-1]):
        raise SystemExit(f"{arguments.out} could not be written")
    print(f"{len(dataset)} samples in the {dataset.split} split; {arguments.out}")


if __name__ == "__main__":
    main()
