"""RHD in its official layout: labels, sides, what is left out, and broken input."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from broken import INFINITY, NAN, assert_named, cut, delete, open_broken, picture, write
from layouts_rhd import SIDE, write_pickle, write_rhd
from layouts_two_hands import two_hands

from handpose.data.index.problems import BrokenDataError
from handpose.data.sources.rhd import RenderedHands
from handpose.geometry.camera import project

TRAINING = "RHD_published_v2/training"
LABELS = f"{TRAINING}/anno_training.pickle"
IMAGE, MASK = f"{TRAINING}/color/00000.png", f"{TRAINING}/mask/00000.png"


def change(act: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Changes the content of the training labels."""

    def change_it(root: Path) -> None:
        content = pickle.loads((root / LABELS).read_bytes())
        act(content)
        write_pickle(root / LABELS, content)

    return change_it


def first(key: str, place: Any, value: float) -> Callable[[Path], None]:
    """Sets numbers of an array of the first image."""
    return change(lambda content: content[0][key].__setitem__(place, value))


def replaced(content: Any) -> Callable[[Path], None]:
    return lambda root: write_pickle(root / LABELS, content)


class Trap:
    """Pickled, it calls a function when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("sprung"),)


# What is broken: the file that is named, the reason that is given.
KINDS: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "missing image": (delete(IMAGE), IMAGE, "cannot be read"),
    "empty image": (write(IMAGE, b""), IMAGE, "0 bytes"),
    "cut image": (cut(IMAGE, 2000), IMAGE, "not an image that OpenCV can read"),
    "a page for an image": (write(IMAGE, b"<html>404</html>"), IMAGE, "not an image"),
    "image of another size": (picture(IMAGE, 200, 320), IMAGE, "200 x 320 px, where .* 320 x 320"),
    "missing mask": (delete(MASK), MASK, "cannot be read"),
    "empty mask": (write(MASK, b""), MASK, "0 bytes"),
    "mask of another size": (picture(MASK, 32, 64), MASK, "32 x 64 px, where 320 x 320 are"),
    "image without labels": (change(lambda c: c.pop(0)), IMAGE, "no annotation in anno_training"),
    "cut labels": (cut(LABELS, 3000), LABELS, "cut short"),
    "empty labels": (write(LABELS, b""), LABELS, "cut short"),
    "code in the labels": (replaced({0: Trap()}), LABELS, "nothing is executed"),
    "a list for the labels": (replaced([1, 2]), LABELS, "not a dict of images by their numbers"),
    "images by name": (replaced({"00000": {}}), LABELS, "not a dict of images by their numbers"),
    "an image without a dict": (change(lambda c: c.update({0: 5})), f"{LABELS}#0", "subscript"),
    "no joints": (change(lambda c: c[0].pop("xyz")), f"{LABELS}#0", "the key 'xyz' is missing"),
    "no camera": (change(lambda c: c[0].pop("K")), f"{LABELS}#0", "the key 'K' is missing"),
    "21 joints": (
        change(lambda c: c[0].update(xyz=c[0]["xyz"][:21])),
        f"{LABELS}#0",
        "21 x 3 numbers, where 42 x 3",
    ),
    "no visibility": (
        change(lambda c: c[0].update(uv_vis=c[0]["uv_vis"][:, :2])),
        f"{LABELS}#0",
        "42 x 2 numbers, where 42 x 3",
    ),
    "text for numbers": (
        change(lambda c: c[0].update(K="a camera")),
        f"{LABELS}#0",
        "not 3 x 3 numbers",
    ),
    "NaN joint": (first("xyz", (4, 0), NAN), f"{LABELS}#0/left", "NaN or infinite at joint 1"),
    "infinite joint": (
        first("xyz", (41, 2), INFINITY),
        f"{LABELS}#0/right",
        "NaN or infinite at joint 17",
    ),
    "infinite px": (
        first("uv_vis", (21, 0), -INFINITY),
        f"{LABELS}#0/right",
        "uv is NaN or infinite at joint 0",
    ),
    "behind the camera": (
        first("xyz", (slice(0, 21), 2), -1),
        f"{LABELS}#0/left",
        "behind the camera",
    ),
    "millimetres": (
        change(lambda c: c[0].update(xyz=1000 * c[0]["xyz"])),
        f"{LABELS}#0/left",
        "give xyz in metres",
    ),
    "other pixels": (
        change(lambda c: c[0]["uv_vis"].__iadd__([[9, 0, 0]])),
        f"{LABELS}#0/right",
        "px away from uv",
    ),
    "no focal length": (first("K", (0, 0), 0), f"{LABELS}#0/left", "K is not a camera matrix"),
    "one point": (
        change(lambda c: c[0]["xyz"].__setitem__(slice(21, 42), [0.0, 0.0, 0.5])),
        f"{LABELS}#0/right",
        "all joints of xyz are at one point",
    ),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rhd") / "d"
    write_rhd(folder)
    return folder


def opened(root: Path, split: str = "train", **settings: Any) -> RenderedHands:
    contract = dict(root=str(root), cache=str(root.parent / "cache"), image_size=64, split=split)
    return RenderedHands(**{"val_fraction": 0.0} | contract | settings)


def test_both_hands_with_exact_labels(root: Path) -> None:
    train = opened(root)
    assert [train[i].side for i in range(3)] == ["left", "right", "left"]
    assert len(train) == 4 * 2 - 1
    assert train.index.counts == {"hands with under 10 visible joints, left out": 1}
    for i in range(2):
        sample, truth = train[i], two_hands(1200, SIDE, SIDE)
        assert sample.key == f"rhd/{IMAGE}#{i}"
        assert np.abs(sample.xyz - truth.xyz[i == 0]).max() < 1e-6
        assert np.abs(sample.uv - truth.uv[i == 0]).max() < 1e-3
        assert np.abs(project(sample.K, sample.xyz) - sample.uv).max() < 0.01
        assert sample.uv_valid.all()
        assert sample.xyz_valid.all()
        assert sample.box[2] == pytest.approx(np.ptp(sample.uv, axis=0).max() + 1, abs=2)


def test_splits_and_groups(root: Path) -> None:
    train, val, test = (opened(root, s, val_fraction=0.4) for s in ("train", "val", "test"))
    assert len(test) == 4
    assert not set(train.capture_groups) & set(val.capture_groups)
    assert len(train) + len(val) == 7
    assert len(set(test.identities)) == 4
    assert not train.crops_by_labels, "the boxes are those of the masks"


def test_the_dominant_hand_is_the_one_with_more_pixels(root: Path) -> None:
    train = opened(root, hands="dominant")
    assert len(train) == 4
    for i in range(4):
        mask = cv2.imread(str(root / TRAINING / f"mask/{i:05d}.png"), cv2.IMREAD_UNCHANGED)
        expected = "left" if (mask == 17).sum() > (mask == 33).sum() else "right"
        assert train[i].side == expected
    with pytest.raises(ValueError, match="choose all or dominant"):
        opened(root, hands="both")


def test_a_hand_without_pixels_is_left_out(tmp_path: Path) -> None:
    write_rhd(tmp_path / "d", train=1, test=0)
    path = str(tmp_path / "d" / MASK)
    mask = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    cv2.imwrite(path, np.where(mask == 17, 1, mask))
    train = opened(tmp_path / "d")
    assert [train[0].side, len(train)] == ["right", 1]
    assert train.index.counts == {"hands of which no joint is at a pixel of the mask, left out": 1}


def test_the_root_may_be_the_unpacked_folder_itself(root: Path, tmp_path: Path) -> None:
    inner = opened(root / "RHD_published_v2", cache=str(tmp_path))
    assert inner[0].key == f"rhd/{IMAGE.removeprefix('RHD_published_v2/')}#0"


def test_at_least_twenty_kinds() -> None:
    assert len(KINDS) >= 20


@pytest.mark.parametrize("kind", KINDS)
def test_broken_input_is_named_and_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_it, file, reason = KINDS[kind]
    monkeypatch.chdir(tmp_path)
    write_rhd(tmp_path / "d", test=0)
    break_it(tmp_path / "d")
    with pytest.raises(BrokenDataError) as caught:
        open_broken("rhd", tmp_path / "d", tmp_path / "cache")
    assert_named(caught.value, file, reason)
    assert not Path("sprung").exists()


def test_all_broken_input_is_named_in_one_pass(tmp_path: Path) -> None:
    write_rhd(tmp_path / "d", train=6)
    delete(f"{TRAINING}/color/00000.png")(tmp_path / "d")
    write(f"{TRAINING}/mask/00001.png", b"")(tmp_path / "d")
    change(lambda c: c[3].pop("K"))(tmp_path / "d")
    change(lambda c: c[4]["xyz"].__setitem__((0, 0), NAN))(tmp_path / "d")
    change(lambda c: c.pop(5))(tmp_path / "d")
    with pytest.raises(BrokenDataError) as caught:
        open_broken("rhd", tmp_path / "d", tmp_path / "cache")
    expected = [f"color/0000{n}.png" for n in (0, 5)] + ["mask/00001.png"]
    expected += [f"anno_training.pickle#{n}" for n in ("3", "4/left")]
    files = [problem.file for problem in caught.value.problems]
    assert sorted(files) == sorted(f"{TRAINING}/{name}" for name in expected)
