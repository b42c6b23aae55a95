"""Each source's hands against statements that do not come from its reader.

Bones of a hand's lengths, fingers that bend to the palm of the stated side, K xyz = uv, and the
same crop and pose from a mirrored world. Every source of `broken.SOURCES` takes part.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import layouts
import numpy as np
import pytest
from broken import SOURCES

from handpose.augment.views import make_target
from handpose.config.schema import CONF
from handpose.data.index.problems import BrokenDataError
from handpose.data.indexed import IndexedDataset
from handpose.data.label_checks.hands import ADULT
from handpose.geometry.camera import project
from handpose.records import Sample, Target
from handpose.skeleton import BONES


def opened(name: str, root: Path) -> IndexedDataset:
    """All hands of the training data; its joints too, where they need a file of the user's."""
    _, kind, own = SOURCES[name]
    own = own | ({"val_fraction": 0.0} if "val_fraction" in own else {})
    if "joint_regressor" in own:
        own = own | {"joint_regressor": str(root.parent / "regressor.npy")}
    contract = dict(root=str(root), cache=str(root.parent / "cache"), image_size=64, split="train")
    return kind(**contract | own)


@pytest.fixture(scope="module", params=sorted(SOURCES))
def source(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> IndexedDataset:
    root = tmp_path_factory.mktemp(request.param) / request.param
    SOURCES[request.param][0](root)
    return opened(request.param, root)


def samples_in(dataset: IndexedDataset) -> list[Sample]:
    return [dataset[i] for i in range(len(dataset))]


def in_3d(dataset: IndexedDataset) -> list[Sample]:
    """The hands with all joints in metres."""
    found = [s for s in samples_in(dataset) if s.xyz_valid.all() and (np.eye(3) != s.K).any()]
    return found or pytest.skip("no 3D labels in metres")


def test_every_source_on_disk_takes_part() -> None:
    """Each file of conf/dataset, but for what has no labels of its own."""
    there = {path.stem for path in (CONF / "dataset").glob("*.yaml")}
    assert there - {"synthetic", "mix", "folder"} == set(SOURCES)


def test_nothing_is_unusual(source: IndexedDataset) -> None:
    assert source.index.problems == []
    assert source.index.warnings == []


def test_bones_have_a_hand_s_lengths(source: IndexedDataset) -> None:
    for sample in in_3d(source):
        lengths = np.linalg.norm(np.diff(sample.xyz[np.array(BONES)], axis=1)[:, 0], axis=1)
        assert np.abs(np.log(lengths / ADULT)).max() < np.log(2)
        first, second, third, tip = lengths.reshape(5, 4)[1:].T
        assert (first > second).all()
        assert (second > third).all()
        assert (tip < second).all()


def test_the_palm_faces_where_the_side_says(source: IndexedDataset) -> None:
    """Right-handed: wrist to index MCP, cross wrist to little MCP, points out of the palm."""
    for sample in in_3d(source):
        wrist, index, little = sample.xyz[[0, 5, 17]]
        out = np.cross(index - wrist, little - wrist) * (-1 if sample.side == "left" else 1)
        thumb = sample.xyz[2] - wrist  # its MCP is on the palm's side
        bend = sum(np.diff(sample.xyz[[tip - 3, tip - 1]], axis=0)[0] for tip in (8, 12, 16, 20))
        away = sum(sample.xyz[tip - 3] - wrist for tip in (8, 12, 16, 20))
        bend = bend / np.linalg.norm(bend) - away / np.linalg.norm(away)
        assert thumb @ out / np.linalg.norm(thumb) + bend @ out > 0


def test_the_camera_projects_xyz_onto_uv(source: IndexedDataset) -> None:
    for sample in in_3d(source):
        assert (sample.xyz[:, 2] > 0).all()
        error = project(sample.K.astype(float), sample.xyz.astype(float)) - sample.uv
        assert np.abs(error[sample.uv_valid]).max() < 0.05


def test_joints_are_in_their_boxes(source: IndexedDataset) -> None:
    for sample in samples_in(source):
        inside = np.abs(sample.uv - sample.box[:2]).max(axis=1) <= 0.75 * sample.box[2]
        assert inside[sample.uv_valid].mean() > 0.8 or not sample.uv_valid.any()


def test_samples_without_pixels_are_the_samples(source: IndexedDataset) -> None:
    for index, sample in enumerate(samples_in(source)):
        bare = source.without_pixels(index)
        assert bare.image.shape == (0, 0, 3)
        assert bare.crop[1:] == sample.image.shape[1::-1]
        for name in set(Sample._fields) - {"image", "crop"}:
            assert np.array_equal(getattr(bare, name), getattr(sample, name)), name


@pytest.fixture
def mirror_the_world(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Afterwards each rendered hand is its own mirror image, of the other side."""
    real = layouts.rendered

    def mirrored(seed: int, size: int, is_left: bool = False) -> layouts.Rendered:
        return real(seed, size, not is_left)

    def act() -> None:
        for module in list(sys.modules.values()):
            if getattr(module, "rendered", None) is real:
                monkeypatch.setattr(module, "rendered", mirrored)

    return act


def targets_of(dataset: IndexedDataset, make_settings: Callable) -> list[Target]:
    settings: Any = make_settings()
    return [
        make_target(
            sample,
            settings,
            rng=np.random.default_rng(0),
            size=64,
            reference_bone="index",
            index=0,
        )
        for sample in samples_in(dataset)
    ]


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_mirrored_world_gives_the_same_crops_and_poses(
    name: str, tmp_path: Path, make_settings: Callable, mirror_the_world: Callable
) -> None:
    write = SOURCES[name][0]
    write(tmp_path / "plain" / name)
    plain = opened(name, tmp_path / "plain" / name)
    mirror_the_world()
    write(tmp_path / "mirrored" / name)
    if {sample.side for sample in samples_in(plain)} == {"right"}:
        with pytest.raises(BrokenDataError, match="bend their fingers backwards"):
            opened(name, tmp_path / "mirrored" / name)
        return
    mirrored = opened(name, tmp_path / "mirrored" / name)
    sides = [sorted(sample.side for sample in samples_in(d)) for d in (plain, mirrored)]
    assert sides[0] == sorted({"left": "right", "right": "left"}[side] for side in sides[1])
    others = targets_of(mirrored, make_settings)
    for target in targets_of(plain, make_settings):
        gaps = [np.abs(other.uvz - target.uvz).max() for other in others]
        other = others[int(np.argmin(gaps))]
        assert min(gaps) < 1.5  # px of 64; a mask's box is of whole pixels
        one, same = (some.xyz - some.xyz[0] for some in (target, other))
        assert np.abs(one - same).max() < 1e-4 * max(1.0, np.ptp(one))
        assert np.array_equal(other.xyz_valid, target.xyz_valid)
        difference = np.asarray(other.image, float) - np.asarray(target.image, float)
        assert np.abs(difference).mean() < 6
