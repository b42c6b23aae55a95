"""The second pass of an evaluation: which crops it takes, and that the labels go along."""

from collections.abc import Callable

import numpy as np
import pytest

from handpose.augment.views import make_target
from handpose.data.base import HandDataset, joint_box
from handpose.data.recropped import Recropped, _is_usable
from handpose.geometry import affine as maps
from handpose.records import Sample


class _Hands(HandDataset):
    name = "hands"

    def __init__(self, samples: list[Sample]) -> None:
        super().__init__(split="test", image_size=64)
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]

    @property
    def identities(self) -> np.ndarray:
        return np.arange(len(self.samples))

    def poses(self, indices: np.ndarray | None = None) -> np.ndarray:
        return np.empty((0, 21, 3))


@pytest.fixture
def samples(make_sample: Callable) -> list[Sample]:
    image = np.zeros((120, 160, 3), np.uint8)
    return [make_sample(image, side=side, seed=3) for side in ("left", "right")]


def test_the_true_joints_fill_the_second_crop_on_either_side(
    samples: list[Sample], make_settings: Callable
) -> None:
    again = Recropped(_Hands(samples), np.stack([sample.uv for sample in samples]))
    settings = make_settings(margin=1.1)
    for index, sample in enumerate(samples):
        options = {"rng": np.random.default_rng(0), "size": 64, "reference_bone": "index"}
        target = make_target(again[index], settings, index=index, **options)
        centred = target.uvz[:, :2] - 31.5
        assert np.abs(centred.mean(0)).max() < 1e-3
        assert np.linalg.norm(centred, axis=1).max() == pytest.approx(32 / 1.1, rel=1e-4)
        back = maps.apply(maps.invert(target.affine.astype(float)), target.uvz[:, :2].astype(float))
        assert np.abs(back - sample.uv).max() < 1e-3


@pytest.mark.parametrize(
    ("wrong", "change"),
    [
        ("collapsed", lambda uv: uv * 0 + 60),
        ("exploded", lambda uv: 60 + 50 * (uv - uv.mean(0))),
        ("off the image to the right", lambda uv: np.add(uv, [200, 0])),
        ("off the image above", lambda uv: uv - [0, 150]),
        ("not a number", lambda uv: uv * np.nan),
    ],
)
def test_where_the_second_box_is_no_hand_the_first_stays(
    samples: list[Sample], wrong: str, change: Callable
) -> None:
    sample = samples[1]
    moved = change(sample.uv)
    again = Recropped(_Hands(samples), np.stack([sample.uv, moved]))
    assert not _is_usable(joint_box(moved), sample), wrong
    assert (again[1].box == sample.box).all()
    assert _is_usable(joint_box(sample.uv), sample)
