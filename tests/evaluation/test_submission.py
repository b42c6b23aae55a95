"""FreiHAND's submission file, as its server reads it."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from handpose.evaluation.evaluation import Evaluation
from handpose.evaluation.submission import OFFICIAL_LENGTH, check_submission, write_submission


@pytest.fixture
def predicted() -> Callable[[int], Evaluation]:
    """Synthetic predictions of as many images, evaluated in any order."""

    def make(count: int) -> Evaluation:
        draw = torch.Generator().manual_seed(0)
        xyz = 600 + 80 * torch.randn(count, 21, 3, generator=draw, dtype=torch.float64)
        index = torch.randperm(count, generator=draw)
        nothing = dict.fromkeys(Evaluation._fields, torch.empty(0))
        return Evaluation(**{**nothing, "camera_xyz": xyz[index], "index": index})

    return make


def _read(path: Path) -> list:
    with zipfile.ZipFile(path) as file:
        assert file.namelist() == ["pred.json"]
        return json.loads(file.read("pred.json"))


def test_all_official_images_in_their_order(
    predicted: Callable[[int], Evaluation], tmp_path: Path
) -> None:
    evaluation = predicted(OFFICIAL_LENGTH)
    write_submission(tmp_path / "out.zip", evaluation)
    xyz, verts = _read(tmp_path / "out.zip")
    assert verts == [[[0, 0, 0]] * 778] * 3960, "no mesh is predicted"
    expected = evaluation.camera_xyz[evaluation.index.argsort()] / 1000
    assert (torch.tensor(xyz) - expected).abs().max() < 1e-6, "metres, in the order of the images"
    assert (tmp_path / "out.zip").stat().st_size < 5_000_000
    assert [path.name for path in tmp_path.iterdir()] == ["out.zip"]


def test_the_same_hands_are_the_same_bytes(
    predicted: Callable[[int], Evaluation], tmp_path: Path
) -> None:
    for name in ("a", "b"):
        write_submission(tmp_path / name, predicted(3))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


class _Split(SimpleNamespace):
    def __len__(self) -> int:
        return self.count


@pytest.mark.parametrize(
    ("name", "split", "count", "said"),
    [
        ("interhand", "test", 3960, "for FreiHAND, not interhand"),
        ("freihand", "train", 3960, "evaluation images are missing"),
        ("freihand", "test", 3959, "--any-length"),
    ],
)
def test_what_is_no_submission_is_refused(
    tmp_path: Path, name: str, split: str, count: int, said: str
) -> None:
    dataset = _Split(name=name, split=split, count=count)
    with pytest.raises(ValueError, match=said):
        check_submission(tmp_path / "out.zip", dataset, any_length=False)


def test_any_length_is_taken_on_request_into_a_folder_that_is_there(tmp_path: Path) -> None:
    dataset = _Split(name="freihand", split="test", count=4)
    check_submission(tmp_path / "out.zip", dataset, any_length=True)
    with pytest.raises(ValueError, match="not a directory"):
        check_submission(tmp_path / "nowhere" / "out.zip", dataset, any_length=True)
