"""The real train.py on sources in their official layouts."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from layouts import (
    write_folder,
    write_freihand,
    write_interhand,
    write_manifest,
    write_mpii,
    write_youtube,
)

from handpose.data.sources.freihand import FreiHand


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of all datasets, each in its official layout."""
    folder = tmp_path_factory.mktemp("data")
    write_freihand(folder / "freihand")
    write_interhand(folder / "interhand")
    write_mpii(folder / "mpii")
    write_youtube(folder / "youtube")
    write_manifest(folder / "manifest")
    write_folder(folder / "folder")
    return folder


def _results(run_dir: Path) -> dict:
    return json.loads((run_dir / "results.json").read_text())


def test_every_source_in_its_official_layout(train: Callable[..., Path], data: Path) -> None:
    """Each trains and is evaluated; what its labels do not allow is null, with the reason."""
    own = {
        "freihand": ("dataset.val_fraction=0.25",),
        "interhand": (),
        "mpii": ("dataset.val_fraction=0.25",),
        "youtube": (f"dataset.joint_regressor={data / 'regressor.npy'}",),
        "manifest": ("dataset.file=labels.jsonl", "dataset.val_fraction=0.34"),
    }
    results = {
        name: _results(train(f"dataset={name}", f"paths.data={data}", *settings, name=name))
        for name, settings in own.items()
    }
    tested = {name: r["n_test"] for name, r in results.items()}
    assert tested == {"freihand": 4, "interhand": 8, "mpii": 4, "youtube": 3, "manifest": 3}
    assert all(r["epe2d_px"] > 0 for r in results.values())
    metric = {name for name, r in results.items() if r["pa_epe_mm"] is not None}
    assert metric == {"freihand", "interhand", "manifest"}
    assert "labelled in 3D" in results["mpii"]["pa_epe_mm_reason"]


def test_a_mix_of_four(train: Callable[..., Path], data: Path) -> None:
    regressor = f"dataset.parts.youtube.joint_regressor={data / 'regressor.npy'}"
    run_dir = train("dataset=mix", f"paths.data={data}", "objective=contrastive", regressor)
    results = _results(run_dir)
    assert results["n_test"] == 4 + 8 + 4 + 3
    assert results["pa_epe_mm"] > 0
    weights = torch.load(run_dir / "model.pt", weights_only=True)["state_dict"]
    assert all(value.isfinite().all() for value in weights.values())


def test_a_source_without_labels_pre_trains_only(train: Callable[..., Path], data: Path) -> None:
    with pytest.raises(ValueError, match=r"dataset@pretrain\.dataset=youtube dataset=LABELLED"):
        train("dataset=youtube", f"paths.data={data}", name="refused")
    settings = ("dataset@pretrain.dataset=youtube", "dataset=freihand", f"paths.data={data}")
    results = _results(train(*settings, "head=regression", "dataset.val_fraction=0.25"))
    assert results["pa_epe_mm"] > 0
    assert results["pretext_rotation_error_deg"] > 0


def test_a_folder_of_pictures_pre_trains_and_says_what_it_left_out(
    train: Callable[..., Path], tmp_path: Path
) -> None:
    write_folder(tmp_path / "hands")
    (tmp_path / "hands/day0/cut.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "hands/notes.txt").write_text("hello")
    own = ("dataset@pretrain.dataset=folder", f"pretrain.dataset.root={tmp_path / 'hands'}")
    run_dir = train(*own, "pretrain.dataset.image_size=32", "head=regression")
    results = _results(run_dir)
    assert results["pretext_rotation_error_deg"] > 0
    assert results["pa_epe_mm"] > 0
    log = (run_dir / "train.log").read_text()
    assert "files that are not images (.txt), left out: 1" in log
    assert "day0/cut.jpg: the JPEG is cut short" in log


def test_a_folder_takes_part_in_a_mix(train: Callable[..., Path], data: Path) -> None:
    mix = ("dataset@pretrain.dataset=mix", "pretrain.dataset.sources=[folder,mpii]")
    run_dir = train(*mix, f"paths.data={data}", "head=none", "pretrain.dataset.image_size=32")
    assert _results(run_dir)["pretext_rotation_error_deg"] > 0


def test_a_mix_names_the_folder_of_each_source_that_is_not_there(
    train: Callable[..., Path], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit):
        train(
            "dataset=mix",
            "dataset.sources=[freihand,mpii]",
            f"paths.data={data}",
            f"dataset.parts.mpii.root={tmp_path / 'nowhere'}",
        )
    printed = capsys.readouterr().err
    assert "dataset.parts.mpii.root=" in printed
    assert "hand_labels/manual_train" in printed
    assert "interhand" not in printed


def test_debug_takes_what_there_is_and_says_so(
    train: Callable[..., Path], real_samples: Path, capsys: pytest.CaptureFixture
) -> None:
    run_dir = train("dataset=freihand", f"paths.data={real_samples}", "report=true")
    results = _results(run_dir)
    assert results["n_test"] == 4
    assert results["split"] == results["finetune_val_split"] == results["pretrain_val_split"]
    assert results["split"] == "val"
    log = (run_dir / "train.log").read_text()
    assert "using its val split in place of test" in log
    assert "4 samples of the split val" in log
    assert "Results on the val split" in capsys.readouterr().out
    assert "<h2>Results on the val split</h2>" in (run_dir / "report.html").read_text()


def test_stages_can_have_datasets_of_their_own(train: Callable[..., Path], data: Path) -> None:
    root = data / "freihand"
    run_dir = train("dataset@pretrain.dataset=freihand", f"pretrain.dataset.root={root}")
    config = json.loads((run_dir / "config.json").read_text())
    assert config["pretrain"]["dataset"]["_target_"].endswith("FreiHand")
    assert config["finetune"]["dataset"]["_target_"].endswith("Synthetic")


def test_crops_by_labels_are_said(train: Callable[..., Path], data: Path) -> None:
    settings = ("dataset=freihand", f"paths.data={data}", "dataset.val_fraction=0.25")
    by_joints = train(*settings, "dataset.crop_by=joints", "head=none", name="joints")
    by_box = train(*settings, "head=none", name="box")
    assert "crops by joint labels" in (by_joints / "train.log").read_text()
    assert "crops by joint labels" not in (by_box / "train.log").read_text()


def test_a_picture_that_broke_since_is_replaced_in_training_alone(
    train: Callable[..., Path], tmp_path: Path, cache: Path
) -> None:
    write_freihand(tmp_path / "freihand")
    settings = ("dataset=freihand", f"paths.data={tmp_path}", "dataset.val_fraction=0.25")
    settings = (*settings, "head=regression", "objective=none", "trainer.num_workers=2")
    training = FreiHand(
        root=str(tmp_path / "freihand"),
        cache=str(cache / "index"),
        split="train",
        image_size=32,
        val_fraction=0.25,
        box_side=0.7,
    )
    for index in (0, 1, 2, 3):  # of the 16 or more that training takes
        (tmp_path / "freihand" / training.image_name(index)).write_bytes(b"")
    run_dir = train(*settings, name="broken")
    results = _results(run_dir)
    rows = (run_dir / "unreadable.csv").read_text().splitlines()
    assert results["unreadable_pictures"] == len(rows) - 1 > 0
    with pytest.raises(ValueError, match=r"trainer\.max_unreadable"):
        train(*settings, "trainer.max_unreadable=0", name="limited")
    (tmp_path / "freihand/evaluation/rgb/00000001.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"evaluation/rgb/00000001\.jpg: "):
        train(*settings, name="unmeasured")
