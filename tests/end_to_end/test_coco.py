"""The real train.py on COCO files: alone, in a mix, and on corrected predictions of its own run."""

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import rendered, save_picture, write_mpii
from layouts_coco import write_coco, write_mmpose_rhd

ROOT = Path(__file__).resolve().parents[2]
RHD = ("file=annotations/rhd_train.json", "test_file=annotations/rhd_test.json", "joint_order=rhd")


def results(run_dir: Path) -> dict:
    return json.loads((run_dir / "results.json").read_text())


@pytest.mark.slow
def test_alone_in_2d_and_in_3d(train: Callable[..., Path], tmp_path: Path) -> None:
    write_coco(tmp_path / "flat/coco")
    own = (f"paths.data={tmp_path / 'flat'}", "dataset.test_file=test.json")
    flat = results(train("dataset=coco", *own, "dataset.val_fraction=0.3", name="flat_run"))
    assert flat["n_test"] == 4
    assert flat["epe2d_px"] > 0
    assert "labelled in 3D" in flat["pa_epe_mm_reason"]

    write_mmpose_rhd(tmp_path / "deep/coco")
    own = (f"paths.data={tmp_path / 'deep'}", *(f"dataset.{setting}" for setting in RHD))
    deep = results(train("dataset=coco", *own, "dataset.val_fraction=0.3", name="deep_run"))
    assert deep["n_test"] == 12
    assert deep["pa_epe_mm"] > 0


def test_in_a_mix(train: Callable[..., Path], tmp_path: Path) -> None:
    write_mmpose_rhd(tmp_path / "coco")
    write_mpii(tmp_path / "mpii")
    parts = [f"dataset.parts.coco.{setting}" for setting in (*RHD, "val_fraction=0.3")]
    sources = ("dataset=mix", "dataset.sources=[coco,mpii]", f"paths.data={tmp_path}")
    run_dir = train(*sources, *parts)
    assert results(run_dir)["n_test"] == 12 + 4
    weights = torch.load(run_dir / "model.pt", weights_only=True)["state_dict"]
    assert all(value.isfinite().all() for value in weights.values())


@pytest.mark.slow
def test_predictions_are_exported_corrected_and_trained_on(
    train: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop of the documentation: train, predict, export, correct, train on the correction."""
    truths = {f"{number:02d}.png": rendered(1500 + number, 96) for number in range(12)}
    for name, truth in truths.items():
        save_picture(tmp_path / "coco" / name, truth.image)
    run_dir = train("objective=none", name="first")

    def script(name: str, *arguments: object) -> None:
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        runpy.run_path(str(ROOT / "scripts" / f"{name}.py"), run_name="__main__")

    script("predict", run_dir, tmp_path / "coco", "--to", tmp_path / "p", "--side", "right")
    script("export-coco", tmp_path / "p", "--to", tmp_path / "coco/labels.json")
    content = json.loads((tmp_path / "coco/labels.json").read_text())
    names = {image["id"]: image["file_name"] for image in content["images"]}
    assert sorted(names.values()) == sorted(truths)
    assert len(content["annotations"]) == 12
    for record in content["annotations"]:
        uv = truths[names[record["image_id"]]].uv
        record["keypoints"] = np.column_stack((uv, np.full(21, 2))).ravel().tolist()
    (tmp_path / "coco/labels.json").write_text(json.dumps(content))
    own = (f"paths.data={tmp_path}", "dataset.upright=true", "evaluate.split=val")
    again = train("dataset=coco", *own, "dataset.val_fraction=0.3", name="second")
    assert results(again)["epe2d_px"] > 0
