"""The cache of renders: made once, shared, extended, and made again where damaged."""

from pathlib import Path

import numpy as np
import pytest

from handpose.data.sources import synthetic as renders
from handpose.data.sources.synthetic import Synthetic
from handpose.geometry.camera import project


def _hands(root: Path, split: str = "train", **changes: object) -> Synthetic:
    settings = dict(
        num_train=6,
        num_val=3,
        num_test=3,
        render_size=48,
        orientation="upright",
        seed=0,
        image_size=32,
    )
    return Synthetic(root=str(root), split=split, **settings | changes)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("renders")


def test_samples_are_complete_and_project(root: Path) -> None:
    for sample in _hands(root):
        assert sample.image.shape == (48, 48, 3)
        assert sample.image.std() > 5
        assert np.abs(project(sample.K, sample.xyz) - sample.uv).max() < 1e-2
        assert sample.uv_valid.all()


def test_splits_share_no_hand_and_other_seeds_are_other_hands(root: Path) -> None:
    splits = [_hands(root, split).poses()[0] for split in ("train", "val", "test")]
    splits.append(_hands(root, seed=1).poses()[0])
    assert len({pose.tobytes() for pose in splits}) == 4


def test_a_longer_split_begins_with_the_shorter(root: Path) -> None:
    short, long = _hands(root, max_samples=2), _hands(root)
    assert (len(short), len(long)) == (2, 6)
    for index in range(2):
        assert np.array_equal(short[index].image, long[index].image)


def test_poses_are_right_hands(root: Path) -> None:
    dataset = _hands(root)
    sides = [sample.side for sample in dataset]
    assert set(sides) == {"left", "right"}
    for sample, pose in zip(dataset, dataset.poses(), strict=True):
        mirrored = sample.xyz * [-1, 1, 1]
        assert np.allclose(pose, mirrored if sample.side == "left" else sample.xyz)
    some = np.array([1, 4])
    assert np.array_equal(dataset.poses(some), dataset.poses()[some])


def test_cache_is_reused_and_a_damaged_one_made_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _hands(root)[0].image
    rendered = []
    original = renders.render_hand
    monkeypatch.setattr(
        renders, "render_hand", lambda *a, **k: rendered.append(1) or original(*a, **k)
    )
    _hands(root)
    assert not rendered
    folder = _hands(root)._hands.folder
    content = bytearray((folder / "image.npy").read_bytes())
    content[-100] ^= 1
    (folder / "image.npy").write_bytes(content)
    assert np.array_equal(_hands(root)[0].image, before)
    assert len(rendered) == 6
    assert not list(root.glob(".*.partial"))


def test_cells_of_a_joblib_sweep_render_too(tmp_path: Path) -> None:
    """Enough hands for a pool, within that of joblib."""
    joblib = pytest.importorskip("joblib")
    many = 8 * renders._CHUNK
    jobs = [joblib.delayed(_hands)(tmp_path / str(i), num_train=many) for i in range(2)]
    one, other = joblib.Parallel(n_jobs=2)(jobs)
    assert len(one) == len(other) == many
    assert np.array_equal(one[many - 1].image, other[many - 1].image)


def test_the_domain_counts_in_cache_and_keys_but_simple_is_as_before(root: Path) -> None:
    simple, lab, wild = (_hands(root, domain=name) for name in ("simple", "lab", "wild"))
    assert simple.fingerprint == _hands(root).fingerprint
    assert len({dataset.fingerprint for dataset in (simple, lab, wild)}) == 3
    assert simple.sample_keys()[0] == "synthetic/train/00000000#0"
    assert lab.sample_keys()[0] == "synthetic/lab/train/00000000#0"
    assert not np.array_equal(lab[0].image, wild[0].image)


def test_a_subject_of_the_lab_is_a_capture_group(tmp_path: Path) -> None:
    lab = {
        split: _hands(tmp_path, split=split, domain="lab", num_train=10, num_val=7, num_test=7)
        for split in ("train", "val", "test")
    }
    assert [len(set(own.capture_groups)) for own in lab.values()] == [8, 3, 3]
    assert lab["train"].capture_groups[0] == lab["train"].capture_groups[8]
    assert len(set(lab["train"].identities)) == 10
    bones = [np.linalg.norm(pose[6] - pose[5]) for pose in lab["train"].poses()]
    assert bones[0] == pytest.approx(bones[8], abs=1e-6)
    assert bones[0] != pytest.approx(bones[1], abs=1e-5)
    wild = _hands(tmp_path, domain="wild")
    assert np.array_equal(wild.capture_groups, wild.identities)


def test_an_unknown_domain_is_refused_with_the_choices(root: Path) -> None:
    with pytest.raises(ValueError, match=r"dataset.domain='moon'.*simple, lab, wild"):
        _hands(root, domain="moon")
