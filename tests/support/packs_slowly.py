"""`python packs_slowly.py FOLDER FORMAT SECONDS`: packs pictures in small blocks, with pauses."""

import sys
import time
from pathlib import Path
from typing import Any

from pictures import Pictures

from handpose.augment.reach import reach_of
from handpose.augment.settings import Augmentation
from handpose.data.packed import blocks, build, plan
from handpose.data.packed.opening import build_pack
from handpose.data.packed.pack import Pack

COUNT = 40
SIZES = ((60, 80),) * COUNT
SETTINGS = Augmentation()


def pack_slowly(folder: Path, pack_format: str, seconds: float) -> Pack:
    """Packs `COUNT` pictures in blocks of 2, with two workers and pauses between blocks."""
    plan._BLOCK_BYTES = 2 * 60 * 80 * 3
    build.num_cores = lambda: 2
    cut = blocks.Blocks.__getitem__

    def slow(own: Any, row: int) -> Any:
        time.sleep(seconds)
        return cut(own, row)

    blocks.Blocks.__getitem__ = slow  # type: ignore[method-assign]
    source = Pictures(SIZES, image_size=64, packed=True, pack_format=pack_format)
    return build_pack(source, reach_of([SETTINGS], 64), folder)


if __name__ == "__main__":
    pack_slowly(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
