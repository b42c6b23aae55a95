"""The submission files of FreiHAND and HO-3D, as their servers read them."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from handpose.evaluation.evaluation import Evaluation
from handpose.evaluation.submission import CHALLENGES, check_submission, write_submission
from handpose.skeleton import MANO_ORDER


@pytest.fixture
def predicted() -> Callable[[int], Evaluation]:
    """Synthetic predictions of as many images, evaluated in any order."""

    def make(count: int) -> Evaluation:
        draw = torch.Generator().manual_seed(0)
        xyz = 600 + 80 * torch.randn(count, 21, 3, generator=draw, dtype=torch.float64)
        index = torch.randperm(count, generator=draw)
        nothing = dict.fromkeys(Evaluation._fields, torch.empty(0))
        own = {"camera_xyz": xyz[index], "index": index, "true_root_depth": 2 * xyz[index, 0, 2]}
        return Evaluation(**{**nothing, **own})

    return make


def _read(path: Path) -> list:
    with zipfile.ZipFile(path) as file:
        assert file.namelist() == ["pred.json"]
        return json.loads(file.read("pred.json"))


def test_all_official_images_in_their_order(
    predicted: Callable[[int], Evaluation], tmp_path: Path
) -> None:
    evaluation = predicted(CHALLENGES["freihand"].lengths[""])
    write_submission(tmp_path / "out.zip", evaluation, dataset="freihand")
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
        write_submission(tmp_path / name, predicted(3), dataset="freihand")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_ho3d_s_frame_order_and_given_wrist(
    predicted: Callable[[int], Evaluation], tmp_path: Path
) -> None:
    evaluation = predicted(5)
    write_submission(tmp_path / "out.zip", evaluation, dataset="ho3d")
    xyz, verts = _read(tmp_path / "out.zip")
    assert verts == [[[0, 0, 0]] * 778] * 5
    ours = 2 * evaluation.camera_xyz[evaluation.index.argsort()] / 1000  # at the wrist's depth
    for hand, row in zip(xyz, ours.tolist(), strict=True):
        for place, joint in enumerate(MANO_ORDER):
            x, y, z = hand[joint]
            assert [x, -y, -z] == pytest.approx(row[place], abs=1e-6)


class _Split(SimpleNamespace):
    def __len__(self) -> int:
        return self.count


@pytest.mark.parametrize(
    ("name", "split", "count", "said"),
    [
        ("interhand", "test", 3960, "for FreiHAND and HO-3D, not interhand"),
        ("freihand", "train", 3960, "FreiHAND's evaluation images are missing"),
        ("freihand", "test", 3959, "FreiHAND has 3960 .* found 3959 .*--any-length"),
        ("ho3d v2", "val", 11524, "HO-3D's evaluation images are missing"),
        ("ho3d v2", "test", 20137, "HO-3D v2 has 11524 .* found 20137"),
        ("ho3d v3", "test", 11524, "HO-3D v3 has 20137 .* found 11524"),
    ],
)
def test_what_is_no_submission_is_refused(
    tmp_path: Path, name: str, split: str, count: int, said: str
) -> None:
    name, _, layout = name.partition(" ")
    index = SimpleNamespace(layout=layout)
    dataset = _Split(name=name, split=split, count=count, index=index)
    with pytest.raises(ValueError, match=said):
        check_submission(tmp_path / "out.zip", dataset, any_length=False)


def test_any_length_is_taken_on_request_into_a_folder_that_is_there(tmp_path: Path) -> None:
    dataset = _Split(name="freihand", split="test", count=4)
    check_submission(tmp_path / "out.zip", dataset, any_length=True)
    for layout, count in (("v2", 11524), ("v3", 20137)):
        index = SimpleNamespace(layout=layout)
        whole = _Split(name="ho3d", split="test", count=count, index=index)
        check_submission(tmp_path / "out.zip", whole, any_length=False)
    with pytest.raises(ValueError, match="not a directory"):
        check_submission(tmp_path / "nowhere" / "out.zip", dataset, any_length=True)
