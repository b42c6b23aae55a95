"""Pre-training sees no joint, and a missing label is never a number."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from layouts import write_freihand, write_interhand, write_manifest, write_mpii, write_youtube
from torch.utils.data import default_collate

from handpose.data.indexed import IndexedDataset
from handpose.data.sources.freihand import FreiHand
from handpose.data.sources.interhand import InterHand
from handpose.data.sources.mix import Mix
from handpose.data.sources.mpii import MpiiHands
from handpose.data.sources.youtube import YouTube3D
from handpose.data.targets_dataset import TargetDataset
from handpose.data.views_dataset import ViewDataset
from handpose.heads.base import Head
from handpose.heads.heatmap import HeatmapHead
from handpose.heads.regression import RegressionHead
from handpose.records import Sample, Target

BOXED: dict[str, tuple[type[IndexedDataset], dict[str, Any]]] = {
    "freihand": (FreiHand, {"val_fraction": 0.0, "box_side": 0.7}),
    "interhand": (InterHand, {"annotations": "all"}),
    "youtube": (YouTube3D, {}),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_freihand(folder / "freihand", annotations=2, evaluation=0)
    write_interhand(folder / "interhand", splits=("train",))
    write_mpii(folder / "mpii")
    write_youtube(folder / "youtube")
    write_manifest(folder / "manifest")
    return folder


def opened(data: Path, name: str, **changes: Any) -> IndexedDataset:
    kind, own = BOXED[name]
    if name == "youtube":
        own = {"joint_regressor": str(data / "regressor.npy")}
    contract = dict(root=str(data / name), cache=str(data / "cache"), image_size=64, split="train")
    return kind(**contract | own | changes)


class Scrambled:
    """A source whose every joint label is noise."""

    def __init__(self, source: IndexedDataset) -> None:
        self._source = source

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Sample:
        return self._scrambled(self._source[index], index)

    def without_pixels(self, index: int) -> Sample:
        return self._scrambled(self._source.without_pixels(index), index)

    def _scrambled(self, sample: Sample, index: int) -> Sample:
        random = np.random.default_rng(index)
        # Through the source's own choice of a box, as it would be with such labels.
        uv = random.uniform(0, 60, sample.uv.shape).astype(np.float32)
        valid = random.random(21) < 0.5
        return sample._replace(
            uv=uv,
            xyz=random.normal(size=sample.xyz.shape).astype(np.float32),
            uv_valid=valid,
            xyz_valid=~valid,
            K=random.normal(size=(3, 3)).astype(np.float32),
            box=self._source.choose_box(sample.box, uv, valid),
        )


@pytest.mark.parametrize("name", BOXED)
def test_scrambled_labels_leave_the_views_bit_identical(
    name: str, data: Path, make_settings: Callable
) -> None:
    settings = {"part": make_settings("rotate", "crop", "random_crop", "colour_jitter")}
    source = opened(data, name)
    true = ViewDataset(source, settings, seed=1)
    scrambled = ViewDataset(Scrambled(source), settings, seed=1)  # type: ignore[arg-type]
    for index in range(len(source)):
        one, other = true[0, index]["part"], scrambled[0, index]["part"]
        assert np.array_equal(one.image, other.image)
        assert all(map(np.array_equal, one.params, other.params))


def test_with_crops_by_joints_scrambled_labels_show(data: Path, make_settings: Callable) -> None:
    settings = {"part": make_settings("rotate")}
    source = opened(data, "freihand", crop_by="joints")
    true = ViewDataset(source, settings, seed=1)
    scrambled = ViewDataset(Scrambled(source), settings, seed=1)  # type: ignore[arg-type]
    assert not np.array_equal(true[0, 0]["part"].image, scrambled[0, 0]["part"].image)


def mixed_batch(data: Path, make_settings: Callable) -> Target:
    """FreiHAND (2D, 3D, camera), hand labels (2D), YouTube with and without joints."""
    contract = dict(cache=str(data / "cache"))
    parts = {
        "freihand": lambda **c: FreiHand(
            root=str(data / "freihand"), val_fraction=0.0, box_side=0.7, **contract, **c
        ),
        "mpii": lambda **c: MpiiHands(root=str(data / "mpii"), val_fraction=0.0, **contract, **c),
        "youtube": lambda **c: YouTube3D(
            root=str(data / "youtube"), joint_regressor=None, **contract, **c
        ),
    }
    mix = Mix(parts=parts, sources=list(parts), weights=None, split="train", image_size=64)
    targets = TargetDataset(mix, make_settings(), reference_bone="index", seed=0)
    return default_collate([targets[0, index] for index in (0, 8, 9, len(mix) - 1)])


CONTRACT: dict[str, Any] = dict(
    channels=(8, 16), strides=(4, 32), embedding_dim=16, image_size=64, reference_bone="index"
)
COMMON: dict[str, Any] = CONTRACT | dict(
    depth_weight=0.1, root="wrist", root_depth="refined", refine_weight=1.0
)
HEADS: dict[str, Callable[[], Head]] = {
    "regression": lambda: RegressionHead(hidden_dim=16, **COMMON),
    "heatmap": lambda: HeatmapHead(width=8, stride=4, sigma=1.0, heatmap_weight=0.05, **COMMON),
}


def gradients(head: Head, batch: Target) -> torch.Tensor:
    """Of the loss, by the features that the head is given."""
    torch.manual_seed(0)
    count = len(batch.index)
    fine = torch.randn(count, 8, 16, 16, requires_grad=True)
    coarse = torch.randn(count, 16, 2, 2, requires_grad=True)
    prediction = head((fine, coarse), coarse.mean((2, 3)), batch.K)
    assert all(value.isfinite().all() for value in prediction)
    loss = head.loss(prediction, batch)["loss"]
    assert loss.isfinite()
    found = torch.autograd.grad(loss, [coarse, fine], allow_unused=True)
    return torch.cat([g.flatten(1) for g in found if g is not None], dim=1)


@pytest.mark.parametrize("name", HEADS)
def test_unlabelled_joints_pull_at_nothing(name: str, data: Path, make_settings: Callable) -> None:
    batch, head = mixed_batch(data, make_settings), HEADS[name]().eval()
    assert batch.uv_valid.all(1).tolist() == [True, False, False, False]
    assert batch.uv_valid.any(1).tolist() == [True, True, True, False]
    assert batch.z_valid.any(1).tolist() == [True, False, False, False]
    valid = torch.cat((batch.uv_valid[..., None].expand(-1, -1, 2), batch.z_valid[..., None]), -1)
    elsewhere = torch.where(valid, batch.uvz, 33.0)
    own, moved = gradients(head, batch), gradients(head, batch._replace(uvz=elsewhere))
    assert own.isfinite().all()
    assert torch.equal(own, moved)
    assert (own.abs().amax(1) > 0).tolist() == [True, True, True, False]


@pytest.mark.parametrize("name", HEADS)
def test_a_batch_without_any_label_has_no_gradient(
    name: str, data: Path, make_settings: Callable
) -> None:
    batch = mixed_batch(data, make_settings)
    nothing = batch._replace(
        uv_valid=torch.zeros_like(batch.uv_valid), z_valid=torch.zeros_like(batch.z_valid)
    )
    assert (gradients(HEADS[name]().eval(), nothing) == 0).all()
