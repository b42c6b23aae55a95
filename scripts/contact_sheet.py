"""`python scripts/contact_sheet.py OUT.webp [--domains lab wild] [--hands 64]`

Writes the first training hands of `dataset=synthetic` with `dataset.domain=` each of the domains,
side by side, as one image: PNG, JPEG or WebP by the ending of OUT.
"""

import argparse
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from handpose.data.sources.synthetic import render_sample
from handpose.data.synthetic.domain import DOMAINS

_QUALITY = {".jpg": cv2.IMWRITE_JPEG_QUALITY, ".webp": cv2.IMWRITE_WEBP_QUALITY}


def sheet(domain: str, *, hands: int, columns: int, px: int) -> np.ndarray:
    """Renders a domain's first training hands as a grid.

    Args:
        domain: Name of the domain.
        hands: How many; whole rows of them are shown.
        columns: Hands in a row.
        px: Side of each image.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    draw = partial(render_sample, "train", size=px, orientation="frontal", seed=0, domain=domain)
    tiles = np.stack([draw(number).image for number in range(hands)])
    rows = hands // columns
    grid = tiles[: rows * columns].reshape(rows, columns, px, px, 3)
    return grid.transpose(0, 2, 1, 3, 4).reshape(rows * px, columns * px, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--domains", nargs="+", default=[*DOMAINS], choices=DOMAINS)
    for name, default in (("hands", 64), ("columns", 8), ("px", 96)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    if options.columns < 1 or options.hands < options.columns or options.px < 1:
        parser.error("--hands must fill a row of --columns, and --columns and --px be above 0")
    if not cv2.haveImageWriter(str(options.out)):
        parser.error(f"{options.out}: expected a name that ends in .png, .jpg or .webp")
    shape = dict(hands=options.hands, columns=options.columns, px=options.px)
    sheets = [sheet(domain, **shape) for domain in options.domains]
    gap = np.full((len(sheets[0]), max(options.px // 8, 1), 3), 255, np.uint8)
    parts = [part for one in sheets for part in (gap, one)][1:]
    whole = np.concatenate(parts, axis=1)[..., ::-1]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    quality = _QUALITY.get(options.out.suffix)
    cv2.imwrite(str(options.out), whole, [quality, 80] if quality else [])


if __name__ == "__main__":
    main()
