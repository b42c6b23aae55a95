"""The real train.py on COCO files: labels in 2D, and corrected predictions of its own run."""

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from layouts import rendered, save_picture
from layouts_coco import write_coco

ROOT = Path(__file__).resolve().parents[2]


def results(run_dir: Path) -> dict:
    return json.loads((run_dir / "results.json").read_text())


@pytest.mark.slow
def test_labels_in_2d_alone(train: Callable[..., Path], tmp_path: Path) -> None:
    write_coco(tmp_path / "coco")
    own = (f"paths.data={tmp_path}", "dataset.test_file=test.json", "dataset.val_fraction=0.3")
    flat = results(train("dataset=coco", *own))
    assert flat["n_test"] == 4
    assert flat["epe2d_px"] > 0
    assert "labelled in 3D" in flat["pa_epe_mm_reason"]


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
