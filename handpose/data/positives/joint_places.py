"""Finds the files of a detector's 2D joints; imports nothing heavy.

    FOLDER/labels.jsonl (or .csv)      a row per hand in the format of dataset=manifest: image, and
                                       uv in px of it, null where a joint was not found. Rows match
                                       samples by image, the path below the dataset's root (in a mix
                                       SOURCE/PATH), and hands of one image by their order
    FOLDER/train.npy, FOLDER/val.npy   instead: a row for each sample of the split, in the dataset's
                                       order, (N, 21, 2) u, v in px of the source image, or
                                       (N, 21, 3) with a confidence, 0 if not found

The path of such a table may be given instead of a folder.
"""

from pathlib import Path

ARRAYS = ("train.npy", "val.npy")
TABLES = ("labels.jsonl", "labels.csv")
_SUFFIXES = (".jsonl", ".csv")


def find_table(place: str) -> Path | None:
    """Return the table of joints that `pretrain.mining.joints` names; None for arrays.

    Args:
        place: a table, or a folder. Arrays in a folder are used before a table.
    """
    path = Path(place)
    if path.suffix in _SUFFIXES and not path.is_dir():
        return path
    if any((path / name).exists() for name in ARRAYS):
        return None
    return next((path / name for name in TABLES if (path / name).exists()), None)


def joint_files(place: str) -> list[Path]:
    """Return the files that `pretrain.mining.joints` stands for; they need not exist.

    Args:
        place: as for `find_table`.
    """
    table = find_table(place)
    return [Path(place) / name for name in ARRAYS] if table is None else [table]
