"""All problems are found in one pass; a quarantine leaves them out; a fixed file is good again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from broken import IMAGE, change_json, cut, delete, open_broken, put, write
from layouts import write_freihand

from handpose.data.index.problems import BrokenDataError, read_quarantine, write_quarantine
from handpose.data.indexed import IndexedDataset
from handpose.data.sources.freihand import FreiHand
from handpose.data.sources.manifest import Manifest


@pytest.fixture
def open_it(tmp_path: Path) -> Callable[..., IndexedDataset]:
    def make(source: str, root: Path, **settings: Any) -> IndexedDataset:
        return open_broken(source, root, tmp_path / "cache", **settings)

    return make


def test_all_are_found_in_one_pass_and_a_quarantine_leaves_them_out(
    tmp_path: Path, open_it: Callable
) -> None:
    root, listed = tmp_path / "d", tmp_path / "bad.csv"
    write_freihand(root)
    whole = len(open_it("freihand", root))
    change_json("training_xyz.json", put(3, 7, 1, value=float("nan")))(root)
    change_json("training_xyz.json", lambda content: content[2].pop())(root)
    change_json("training_K.json", put(1, 0, 0, value=0.0))(root)
    for number, break_it in enumerate((delete, lambda name: write(name, b""))):
        break_it(f"training/rgb/{number:08d}.jpg")(root)
    with pytest.raises(
        BrokenDataError, match=r"(?s)5 bad files or records.*--quarantine FILE"
    ) as caught:
        open_it("freihand", root)
    write_quarantine(listed, caught.value.problems[:4])
    with pytest.raises(BrokenDataError, match="1 bad files or records"):
        open_it("freihand", root, quarantine=str(listed))
    write_quarantine(listed, caught.value.problems)
    assert read_quarantine(listed) == {problem.file for problem in caught.value.problems}
    left = open_it("freihand", root, quarantine=str(listed), val_fraction=0.0)
    assert whole == 24
    # Three annotations of four versions, and picture 0 beside; picture 1 has a bad annotation too.
    assert len(left) == 32 - 3 * 4 - 1
    assert all(np.isfinite(left[i].xyz).all() for i in range(len(left)))


def test_a_quarantine_that_is_none(tmp_path: Path, open_it: Callable) -> None:
    write_freihand(tmp_path / "d", annotations=2, evaluation=0)
    (tmp_path / "bad.csv").write_text("training/rgb/00000001.jpg\nx\n")
    for name in ("bad.csv", "none.csv"):
        with pytest.raises(ValueError, match=f"dataset.quarantine=.*{name}: not a CSV file"):
            open_it("freihand", tmp_path / "d", quarantine=str(tmp_path / name))


def test_an_index_is_built_again_when_the_source_has_changed(
    tmp_path: Path, open_it: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, builds = tmp_path / "d", []
    write_freihand(root, annotations=4)
    read = FreiHand.read
    monkeypatch.setattr(
        FreiHand, "read", lambda self, collector: builds.append(1) or read(self, collector)
    )
    before = open_it("freihand", root)[0].xyz
    open_it("freihand", root, split="val")
    assert len(builds) == 1
    content = np.array(json.loads((root / "training_xyz.json").read_text()))
    content[..., 0] += 0.01
    (root / "training_xyz.json").write_text(json.dumps(content.tolist()))
    after = open_it("freihand", root)[0].xyz
    assert after[:, 0] == pytest.approx(before[:, 0] + 0.01, abs=1e-6)
    assert len(builds) == 2


def test_a_file_mended_in_place_is_good_again(tmp_path: Path, open_it: Callable) -> None:
    root = tmp_path / "d"
    write_freihand(root, annotations=4)
    whole = (root / IMAGE).read_bytes()
    cut(IMAGE, 2000)(root)
    with pytest.raises(BrokenDataError, match="1 bad files"):
        open_it("freihand", root)
    (root / IMAGE).write_bytes(whole)
    assert len(open_it("freihand", root, val_fraction=0.0)) == 16


def test_a_picture_of_a_bad_record_is_looked_at_too(tmp_path: Path, open_it: Callable) -> None:
    root = tmp_path / "d"
    write_freihand(root)
    change_json("training_xyz.json", lambda content: content[2].pop())(root)
    picture = "training/rgb/00000010.jpg"  # its second version
    write(picture, b"")(root)
    with pytest.raises(BrokenDataError) as caught:
        open_it("freihand", root)
    assert {problem.file for problem in caught.value.problems} == {"training_xyz.json#2", picture}


@pytest.mark.parametrize("content", ["", "image,side\n", "\n\n"])
@pytest.mark.parametrize("file", ["labels.csv", "labels.jsonl"])
def test_a_manifest_without_rows_says_so(file: str, content: str, tmp_path: Path) -> None:
    text = content.strip("aegimsd,") if file.endswith("jsonl") else content
    (tmp_path / file).write_text(text)
    with pytest.raises(BrokenDataError, match=rf"{file}: it has no row of data"):
        Manifest(
            root=str(tmp_path),
            cache=str(tmp_path / "cache"),
            file=file,
            split="train",
            image_size=32,
            val_fraction=0.2,
        )
