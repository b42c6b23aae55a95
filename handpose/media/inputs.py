"""Finds the images and videos that a user names: files, folders, patterns, lists, a camera.

Nothing is opened but lists of paths.
"""

import glob
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from handpose.files import LARGEST_STREAM, LARGEST_TEXT, regular

IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv")
FORMS = "image, video, folder, quoted pattern, .txt list of paths, 0 (camera), - (paths from stdin)"
_LIST = ".txt"
_CAMERA, _STDIN = "camera:", "-"
_KNOWN = f"image ({', '.join(IMAGES)}) or video ({', '.join(VIDEOS)})"


class Input(NamedTuple):
    """The images and videos of an input, or a camera. Nothing is repeated."""

    images: tuple[Path, ...] = ()
    videos: tuple[Path, ...] = ()
    camera: int | None = None
    others: int = 0  # files of a folder or pattern that are no images or videos by their names
    root: Path | None = None  # the folder that holds all files, at any depth

    @property
    def files(self) -> tuple[Path, ...]:
        """The images, then the videos."""
        return self.images + self.videos

    def name(self, path: Path) -> str:
        """Returns the name of a file of the input: its path below the input's folder."""
        return path.name if self.root is None else path.relative_to(self.root).as_posix()


def find_input(text: str, *, recursive: bool = False) -> Input:
    """Finds what a user names: see `FORMS`.

    Args:
        text: as typed.
        recursive: include the subfolders of a folder.

    Raises:
        ValueError: it does not exist, or holds no image and no video.
    """
    path = Path(text)
    if text.startswith(_CAMERA) or (text.isdecimal() and not path.exists()):
        return Input(camera=_camera(text))
    if text == _STDIN:
        return _list(sys.stdin, "standard input", Path())
    if path.is_dir():
        return _folder(path, recursive=recursive)
    if not path.exists():
        if glob.has_magic(text):
            return _pattern(text)
        raise ValueError(f"{path}: no such file or folder; give an {FORMS}")
    try:
        regular(path, most=LARGEST_STREAM)
        if path.suffix.lower() == _LIST:
            with regular(path, most=LARGEST_TEXT).open(encoding="utf-8-sig") as lines:
                return _list(lines, str(path), path.parent)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if not is_image(path) and not is_video(path):
        raise ValueError(f"{path}: not the name of an {_KNOWN}, or {_LIST} list of paths")
    return _sorted_by_kind([path], None)


def is_image(path: Path) -> bool:
    """Returns whether the name is that of an image."""
    return path.suffix.lower() in IMAGES


def is_video(path: Path) -> bool:
    """Returns whether the name is that of a video."""
    return path.suffix.lower() in VIDEOS


def _camera(text: str) -> int:
    number = text.removeprefix(_CAMERA)
    if not number.isdecimal():
        raise ValueError(f"{text}: write a camera as 0 or camera:0, with its number")
    return int(number)


def _folder(path: Path, *, recursive: bool) -> Input:
    found = _sorted_by_kind(sorted(path.glob("**/*" if recursive else "*")), path)
    if not found.files:
        has_folders = not recursive and any(entry.is_dir() for entry in path.iterdir())
        hint = ". It has subfolders: add --recursive to search them" if has_folders else ""
        raise ValueError(f"{path}: no image or video in this folder{hint}. Known are: {_KNOWN}")
    return found


def _pattern(text: str) -> Input:
    """Finds the files of a pattern; `**` stands for subfolders of any depth."""
    fixed = [part for part in Path(text).parts if not glob.has_magic(part)]
    parts = Path(text).parts
    root = Path(*parts[: next(i for i, part in enumerate(parts) if part not in fixed)])
    found = _sorted_by_kind(map(Path, sorted(glob.glob(text, recursive=True))), root)  # noqa: PTH207
    if not found.files:
        raise ValueError(f"{text}: no image or video has such a name. Known are: {_KNOWN}")
    return found


def _sorted_by_kind(paths: Iterable[Path], root: Path | None) -> Input:
    """Sorts files into images and videos; others are counted."""
    files = [path for path in dict.fromkeys(paths) if not path.is_dir()]
    # macOS writes hidden files beside images. A special file is skipped with its name later.
    shown = [path for path in files if root is None or not path.name.startswith(".")]
    images, videos = (tuple(filter(is_kind, shown)) for is_kind in (is_image, is_video))
    return Input(images, videos, others=len(files) - len(images) - len(videos), root=root)


def _list(lines: Iterable[str], name: str, folder: Path) -> Input:
    """Reads a list of paths, one a line, relative to the current folder or else to the list's.

    Args:
        lines: empty ones are ignored.
        name: of the list, in an error.
        folder: of the list.
    """
    paths = []
    for number, line in enumerate(lines, 1):
        path = Path(line.strip())
        if not line.strip():
            continue
        if not is_image(path) and not is_video(path):
            raise ValueError(f"{name}, line {number}: {path} is not the name of an {_KNOWN}")
        paths.append(path if path.exists() or not (folder / path).exists() else folder / path)
    if not paths:
        raise ValueError(f"{name}: holds no path of an image or video")
    absolute = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100, keeps links
    return _sorted_by_kind(absolute, Path(os.path.commonpath([path.parent for path in absolute])))
