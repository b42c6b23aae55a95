"""A root that is one folder off is named, with the override to type."""

import shlex
from pathlib import Path

import pytest

from handpose.config import check_command_line

LANDMARKS = {
    "freihand": "evaluation_K.json",
    "mpii": "hand_labels/x",
    "interhand": "annotations/val/InterHand2.6M_val_data.json",
    "youtube": "youtube_train.json",
    "dexycb": "calibration/intrinsics/x",
    "ho3d": "evaluation.txt",
    "manifest": "labels.csv",
}


@pytest.mark.parametrize("name", LANDMARKS)
@pytest.mark.parametrize("given", ["sets", "sets/right/below", "sets/absent", "sets/beside"])
def test_it_is_found_one_level_off(
    name: str, given: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    right = tmp_path / "sets/right"
    for file in (right / LANDMARKS[name], right / "below/x", tmp_path / "sets/beside/x"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    options = [f"dataset={name}", "objective=none", f"paths.cache={tmp_path}"]
    with pytest.raises(SystemExit):
        check_command_line([*options, f"dataset.root={tmp_path / given}"])
    said = capsys.readouterr().err
    write = shlex.quote(f"dataset.root={right}")
    assert f"; {LANDMARKS[name].split('/')[0]}" in said
    assert f" is in {right}: write {write}" in said
    assert given != "sets/absent" or ": no such directory; " in said
    check_command_line([*options, f"dataset.root={right}"])


def test_the_file_of_labels_is_found_beside_the_default_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "labels.jsonl").touch()
    options = ["dataset=manifest", "objective=none", f"paths.data={tmp_path}"]
    with pytest.raises(SystemExit):
        check_command_line([*options, "dataset.file=labels.jsonl", f"paths.cache={tmp_path}"])
    said = f"no such directory; labels.jsonl is in {tmp_path}: write dataset.root={tmp_path}"
    assert f"dataset.root={tmp_path}/manifest: {said}" in capsys.readouterr().err


def test_what_is_no_dataset_is_not_taken_for_one(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "coco/annotations").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    options = [f"dataset.root={tmp_path / 'empty'}", "objective=none", f"paths.cache={tmp_path}"]
    with pytest.raises(SystemExit):
        check_command_line(["dataset=interhand", *options])
    said = capsys.readouterr().err
    assert "is empty" in said
    assert "near" not in said
