"""The cut of a dataset: one file more or less moves no other hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layouts import rendered, save_picture, write_folder, write_freihand, write_manifest, write_mpii

from handpose.data.base import HandDataset, MissingSplitError
from handpose.data.index.problems import Problem, write_quarantine
from handpose.data.sources.folder import Folder
from handpose.data.sources.freihand import FreiHand
from handpose.data.sources.manifest import Manifest
from handpose.data.sources.mpii import MpiiHands

Sides = dict[str, str]
OPTIONS: dict[type[HandDataset], dict[str, Any]] = {
    FreiHand: {"box_side": 0.7},
    MpiiHands: {},
    Manifest: {"file": "labels.jsonl"},
    Folder: {"boxes": None, "min_side": 16, "max_left_out": 0.5},
}


@pytest.fixture
def sides(tmp_path: Path) -> Callable[..., Sides]:
    """sides(kind, root): {key of a hand: its split}"""

    def read(kind: type[HandDataset], root: Path, **settings: Any) -> Sides:
        found: Sides = {}
        for split in ("train", "val"):
            contract = dict(root=str(root), cache=str(tmp_path / "cache"), image_size=32)
            contract |= OPTIONS[kind] | {"val_fraction": 0.3, "split": split} | settings
            try:
                dataset: Any = kind(**contract)
            except MissingSplitError:
                continue
            found |= {dataset[i].key: split for i in range(len(dataset))}
        return found

    return read


def _moved(before: Sides, after: Sides) -> list[str]:
    return [key for key in before.keys() & after.keys() if before[key] != after[key]]


def test_a_quarantined_hand_of_freihand_moves_no_other(tmp_path: Path, sides: Callable) -> None:
    write_freihand(tmp_path / "d", annotations=12, versions=1, evaluation=0)
    before = sides(FreiHand, tmp_path / "d")
    assert set(before.values()) == {"train", "val"}
    for number in range(0, 12, 3):
        picture = tmp_path / f"d/training/rgb/{number:08d}.jpg"
        content = picture.read_bytes()
        picture.unlink()
        listed = tmp_path / "bad.csv"
        write_quarantine(
            listed, [Problem(picture.relative_to(tmp_path / "d").as_posix(), "missing")]
        )
        after = sides(FreiHand, tmp_path / "d", quarantine=str(listed))
        assert len(after) == 11
        assert not _moved(before, after)
        picture.write_bytes(content)


def test_a_hand_more_or_less_of_the_others_moves_no_other(tmp_path: Path, sides: Callable) -> None:
    write_mpii(tmp_path / "mpii")
    write_manifest(tmp_path / "manifest")
    hand = (tmp_path / "mpii/hand_labels/manual_train").glob("*.json")
    gone = sorted(hand)[0]
    before = sides(MpiiHands, tmp_path / "mpii")
    gone.unlink()
    gone.with_suffix(".jpg").unlink()
    after = sides(MpiiHands, tmp_path / "mpii")
    assert 0 < len(after) == len(before) - 1
    assert not _moved(before, after)

    lines = (tmp_path / "manifest/labels.jsonl").read_text().splitlines()
    before = sides(Manifest, tmp_path / "manifest")
    (tmp_path / "manifest/labels.jsonl").write_text("\n".join(lines[1:]))
    after = sides(Manifest, tmp_path / "manifest")
    assert 0 < len(after) < len(before)
    assert not _moved(before, after)


@pytest.mark.parametrize("name", ["clip{}/{:04d}.jpg", "IMG_{1:04d}.jpg"])
def test_a_picture_more_or_less_of_a_folder_moves_no_other(
    name: str, tmp_path: Path, sides: Callable
) -> None:
    image = rendered(3, 32).image
    for number in range(60):
        image[0, 0] = number  # no two are copies
        save_picture(tmp_path / "d" / name.format(number % 12, number).replace("jpg", "png"), image)
    before = sides(Folder, tmp_path / "d")
    assert set(before.values()) == {"train", "val"}
    for path in sorted((tmp_path / "d").rglob("*.png"))[::7]:
        content = path.read_bytes()
        path.unlink()
        after = sides(Folder, tmp_path / "d")
        assert len(after) == 59
        assert not _moved(before, after)
        path.write_bytes(content)
    image[0, 0] = 255
    save_picture(tmp_path / "d" / name.format(0, 60).replace("jpg", "png"), image)
    assert not _moved(before, sides(Folder, tmp_path / "d"))


def test_identities_are_the_hands_own(tmp_path: Path) -> None:
    """They say which hands count as labelled, so a row less may move no other, either."""
    write_manifest(tmp_path / "d")
    contract: dict[str, Any] = dict(root=str(tmp_path / "d"), image_size=32, split="train")
    contract |= dict(cache=str(tmp_path / "cache"), val_fraction=0.0, file="labels.jsonl")
    before = Manifest(**contract).identities
    lines = (tmp_path / "d/labels.jsonl").read_text().splitlines()
    (tmp_path / "d/labels.jsonl").write_text("\n".join(lines[1:]))
    assert np.array_equal(Manifest(**contract).identities, before[1:])

    write_folder(tmp_path / "f")
    contract |= dict(root=str(tmp_path / "f"), **OPTIONS[Folder])
    del contract["file"]
    folder = Folder(**contract)
    before = {folder.image_name(i): n for i, n in enumerate(folder.identities)}
    (tmp_path / "f" / next(iter(before))).unlink()
    folder = Folder(**contract)
    after = {folder.image_name(i): n for i, n in enumerate(folder.identities)}
    assert len(after) == len(before) - 1
    assert after.items() <= before.items()
