"""Joints of a detector: read in the split's order, and refused by name where they do not fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labels import Labels, random_joints

from handpose.data.base import Joints, Strata
from handpose.data.positives.joint_files import read_predictions
from handpose.data.positives.mining import mine

N = 6
SETTINGS = dict(num_dims=14, neighbours=1, exclude="recording", weighted=True)


class Mixed(Labels):
    """Half of them of one source, half of another."""

    @property
    def strata(self) -> Strata:
        return ((N // 2, 1.0), (N // 2, 1.0))


@pytest.fixture
def source() -> Callable[..., Labels]:
    """Hands without labels, of which one is a left one."""

    def make(kind: type[Labels] = Labels, **contract: Any) -> Labels:
        is_left = np.arange(N) == 1
        nothing = Joints(np.zeros((N, 21, 2), np.float32), np.zeros((N, 21), bool), is_left)
        return kind(nothing, 10 * np.arange(N), **contract)

    return make


def test_predictions_take_the_place_of_labels(tmp_path: Path, source: Callable) -> None:
    truth = random_joints(N)
    truth.uv[1] = truth.uv[0] * [-1, 1] + [300, 0]  # the mirror image of 0, and a left hand
    np.save(tmp_path / "train.npy", truth.uv.astype(np.float64))
    mined = mine(source(), **SETTINGS, joints=str(tmp_path))
    assert mined.partners[:2, 0].tolist() == [1, 0]
    with pytest.raises(ValueError, match="0 of 6 have all 21 joints"):
        mine(source(), **SETTINGS, joints="given")


def test_a_confidence_of_0_marks_what_was_not_found(tmp_path: Path, source: Callable) -> None:
    array = np.concatenate((random_joints(N).uv, np.full((N, 21, 1), 0.3)), axis=2)
    array[2, 5] = [np.nan, np.nan, 0]
    np.save(tmp_path / "val.npy", array)
    uv, found = read_predictions(str(tmp_path), source(split="val"))
    assert found.sum() == 21 * N - 1
    assert not found[2, 5]
    assert (uv[2, 5] == 0).all()
    assert np.array_equal(uv[:2], array[:2, :, :2].astype(np.float32))


def test_under_a_cap_the_first_rows_count(tmp_path: Path, source: Callable) -> None:
    whole = random_joints(50).uv
    np.save(tmp_path / "train.npy", whole)
    uv, _ = read_predictions(str(tmp_path), source(max_samples=N))
    assert np.array_equal(uv, whole[:N])
    with pytest.raises(ValueError, match=r"is \(50, 21, 2\) of float32; expected .*\(6, 21, 2\)"):
        read_predictions(str(tmp_path), source())
    with pytest.raises(ValueError, match=r"expected .*\(6, 21, 2\)"):
        read_predictions(str(tmp_path), source(Mixed, max_samples=N))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((N, 21)), "expected are numbers"),
        (np.zeros((N, 20, 2)), "expected are numbers"),
        (np.zeros((N, 21, 4)), "expected are numbers"),
        (np.zeros((N - 1, 21, 2)), "one row for each of the 6 samples of labels"),
        (np.zeros((N, 21, 2), dtype=complex), "of complex128"),
        (np.array([{}] * N), "cannot be read as an array of numbers"),
        (np.array(3.0), "expected are numbers"),
        (np.where(np.arange(N) == 4, np.nan, 1)[:, None, None] * np.ones((N, 21, 2)), "row 4"),
        (np.full((N, 21, 2), np.inf), "give them the confidence 0"),
        (np.full((N, 21, 3), -1.0), "a confidence below 0 or NaN"),
        (np.full((N, 21, 3), np.nan), "a confidence below 0 or NaN"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    array: np.ndarray, message: str, tmp_path: Path, source: Callable
) -> None:
    np.save(tmp_path / "train.npy", array)
    with pytest.raises(ValueError, match=message) as refused:
        read_predictions(str(tmp_path), source())
    assert f"pretrain.mining.joints={tmp_path}: train.npy" in str(refused.value)


def test_no_file_and_no_array_are_refused(tmp_path: Path, source: Callable) -> None:
    for content in (None, b"", b"not an array"):
        if content is not None:
            (tmp_path / "train.npy").write_bytes(content)
        with pytest.raises(ValueError, match=r"train\.npy cannot be read"):
            read_predictions(str(tmp_path), source())
