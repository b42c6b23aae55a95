"""Finds the folder of the images of a COCO file, whose names are relative to it."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

_LOOKED_FOR = 200  # images, evenly over the file: a part of them may not be on this disk
_SPLIT_WORDS = ("train", "val", "test", "default")


def image_folder(root: Path, file: str, names: Sequence[str]) -> str:
    """Return the folder of a COCO file's images, relative to the root.

    It is the first of these that has one of the images: the folder of the file, the root, `images`,
    a folder directly in the root or in `images`. Of several of the last kind, it is the one that
    has the file's split in its name: `val2017` for `annotations/coco_val.json`.

    Args:
        root: of the dataset.
        file: of the annotations, relative to the root.
        names: of the images in the file.

    Raises:
        ValueError: none of these has an image, or several of the last kind.
    """
    some = names[:: max(1, len(names) // _LOOKED_FOR)]

    def has_any(folder: str) -> bool:
        return any((root / folder / name).is_file() for name in some)

    first = list(dict.fromkeys((str(PurePosixPath(file).parent), ".", "images")))
    if found := next(filter(has_any, first), None):
        return found
    others = [folder for folder in _folders(root) if folder not in first and has_any(folder)]
    words = [word for word in _SPLIT_WORDS if word in file.lower()]
    of_split = [folder for folder in others if any(word in folder.lower() for word in words)]
    chosen = of_split if len(others) > 1 else others
    if len(chosen) == 1:
        return chosen[0]
    if not others:
        where = ", ".join("ROOT" if folder == "." else f"ROOT/{folder}" for folder in first)
        raise ValueError(
            f"its images, such as {some[0]}, are not in {where} or a folder in them. "
            "Set dataset.images=FOLDER, relative to the root"
        )
    raise ValueError(
        f"its images are in {' and in '.join(others)}; set dataset.images=FOLDER to one of them"
    )


def _folders(root: Path) -> list[str]:
    """Return the folders directly in the root and in `images`, relative to the root."""
    found = [folder for folder in (*root.glob("*"), *root.glob("images/*")) if folder.is_dir()]
    return sorted(folder.relative_to(root).as_posix() for folder in found)
