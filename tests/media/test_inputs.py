"""What a user names as input: files by their kind, patterns, lists, cameras."""

import io
from pathlib import Path

import pytest

from handpose.media.inputs import Input, find_input


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("b.JPG", "a.png", "clip.mp4", "notes.doc", ".hidden.jpg", "below/c.png"):
        path = tmp_path / "in" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.touch()
    return Path("in")


def test_a_folder_is_sorted_by_kind(folder: Path) -> None:
    found = find_input("in")
    images, videos = (folder / "a.png", folder / "b.JPG"), (folder / "clip.mp4",)
    assert found == Input(images, videos, None, 2, folder)
    everything = find_input("in", recursive=True)
    assert everything.images == (folder / "a.png", folder / "b.JPG", folder / "below/c.png")
    assert [found.name(path) for path in found.files] == ["a.png", "b.JPG", "clip.mp4"]
    assert everything.name(folder / "below/c.png") == "below/c.png"
    Path("above").mkdir()
    folder.rename("above/in")
    with pytest.raises(ValueError, match=r"no image or video in this folder.* add --recursive"):
        find_input("above")


def test_a_file_is_known_by_its_name(folder: Path) -> None:
    image, video = folder / "a.png", folder / "clip.mp4"
    assert find_input("in/a.png") == Input(images=(image,))
    assert find_input("in/clip.mp4") == Input(videos=(video,))
    assert find_input("in/a.png").name(image) == "a.png"
    assert find_input("in/.hidden.jpg").images, "named on purpose"


def test_a_camera_has_a_number(folder: Path) -> None:
    assert find_input("0").camera == 0
    assert find_input("camera:2").camera == 2
    Path("0").mkdir()
    Path("0/a.png").touch()
    assert find_input("0").images == (Path("0/a.png"),), "what exists comes first"
    assert find_input("camera:0").camera == 0


def test_a_pattern_finds_files_below_its_fixed_part(folder: Path) -> None:
    found = find_input("in/*.png")
    assert (found.images, found.root) == ((folder / "a.png",), folder)
    found = find_input("in/**/*.*")
    assert found.images == (folder / "a.png", folder / "b.JPG", folder / "below/c.png")
    assert (found.videos, found.others) == ((folder / "clip.mp4",), 1)
    assert found.name(folder / "below/c.png") == "below/c.png"
    found = find_input("*/b*/*.png")
    assert found.name(found.images[0]) == "in/below/c.png"
    Path("in/a[1].png").touch()
    assert find_input("in/a[1].png").images == (folder / "a[1].png",), "a name, not a pattern"


def test_a_list_is_read_relative_to_here_or_to_itself(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Path.cwd()
    (folder / "list.txt").write_text("in/a.png\n\n below/c.png \nin/a.png\nclip.mp4\nlost.jpg\n")
    found = find_input("in/list.txt")
    images = (here / "in/a.png", here / "in/below/c.png", here / "lost.jpg")
    assert (found.images, found.videos) == (images, (here / "in/clip.mp4",))
    assert [found.name(path) for path in images] == ["in/a.png", "in/below/c.png", "lost.jpg"]
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{here}/in/a.png\nin/b.JPG\n"))
    assert find_input("-").images == (here / "in/a.png", here / "in/b.JPG")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing.jpg", r"no such file or folder; give an image, video, folder"),
        ("in/notes.doc", r"not the name of an image \(.*\) or video \("),
        ("empty", "no image or video in this folder"),
        ("camera:", "write a camera as 0 or camera:0"),
        ("camera:x", "write a camera as 0 or camera:0"),
        ("in/*.tif", r"in/\*\.tif: no image or video has such a name"),
        ("empty.txt", r"empty\.txt: holds no path"),
        ("prose.txt", r"prose\.txt, line 2: some prose is not the name of an image"),
        ("latin.txt", r"latin\.txt: .*utf-8"),
    ],
)
def test_what_names_nothing_is_refused(folder: Path, name: str, said: str) -> None:
    Path("empty").mkdir()
    Path("empty.txt").touch()
    Path("prose.txt").write_text("a.png\nsome prose\n")
    Path("latin.txt").write_bytes(b"\xe4.png\n")
    with pytest.raises(ValueError, match=said):
        find_input(name)
