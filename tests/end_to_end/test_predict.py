"""scripts/predict.py and scripts/export.py on a run of train.py."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import onnx
import pytest
import torch

from handpose.config.schema import register
from handpose.config.stored import check_evaluation
from handpose.export.export_run import export_run
from handpose.pipeline.evaluate_run import evaluate_finished
from handpose.pipeline.run_directory import finished_config
from handpose.predict import Given, HandPose
from handpose.predict.output_records import SCHEMA

ROOT = Path(__file__).resolve().parents[2]
Script = Callable[..., str]


def test_predictions_are_those_of_the_evaluation_for_the_same_boxes(trained: Path) -> None:
    register()
    cfg = check_evaluation(finished_config(trained), [])
    _, evaluation, dataset = evaluate_finished(cfg, trained)
    samples = [dataset.source[int(index)] for index in evaluation.index]
    assert {sample.side for sample in samples} == {"left", "right"}
    given = [
        Given(tuple(s.box), s.K, s.side, float(np.linalg.norm(s.xyz[5] - s.xyz[0])))
        for s in samples
    ]
    found = HandPose.from_run(trained, device="cpu").predict([s.image for s in samples], given)
    for row, hand in enumerate(found):
        assert np.abs(hand.uv - evaluation.uv[row].numpy()).max() < 1e-3
        assert np.abs(1000 * hand.xyz - evaluation.xyz[row].numpy()).max() < 1e-2
        depth = float(evaluation.root_depth[row])
        assert 1000 * hand.camera_xyz[0, 2] == pytest.approx(depth, rel=1e-4)
    other = [one._replace(side="right" if one.side == "left" else "left") for one in given]
    wrong = HandPose.from_run(trained, device="cpu").predict([s.image for s in samples], other)
    assert np.abs(wrong[0].uv - evaluation.uv[0].numpy()).max() > 0.1, "the wrong side"


def test_a_folder_of_real_images_with_a_corrupt_and_a_tiny_one(
    trained: Path, script: Script, real_samples: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for source in ("freihand/training/rgb", "mpii/hand_labels/manual_train"):
        for path in sorted((real_samples / source).glob("*.jpg"))[:2]:
            shutil.copy(path, folder)
    (folder / "corrupt.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    cv2.imwrite(str(folder / "tiny.png"), np.zeros((4, 4, 3), np.uint8))
    said = script("predict", trained, folder, "--batch-size", 3)
    assert "predictions: 4 images, 2 skipped" in said
    assert [line for line in said.splitlines() if "corrupt.jpg: the JPEG is cut short" in line]
    assert [line for line in said.splitlines() if "tiny.png: too small, 4 x 4 px" in line]
    written = sorted((tmp_path / "predictions").glob("*.json"))
    assert len(written) == len(list((tmp_path / "predictions").glob("*.jpg"))) == 4
    for path in written:
        record = json.loads(path.read_text())
        jsonschema.validate(record, json.loads(SCHEMA.read_text()))
        assert len(record["assumed"]) == 4
    told = [line for line in said.splitlines() if line.startswith("assumed: ")]
    assert told == [f"assumed: {sentence}" for sentence in record["assumed"]]


def test_one_picture_with_all_that_is_known(trained: Path, script: Script, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    cv2.imwrite("hand.png", pixels)
    known = ["--box=40,30,50", "--camera-matrix", "90,90,40,30", "--side", "left"]
    said = script("predict", trained, "hand.png", *known, "--scale", 0.08, "--to", "there")
    assert "there: 1 image, 0 skipped" in said
    assert "assumed" not in said
    record = json.loads((tmp_path / "there" / "hand.json").read_text())
    jsonschema.validate(record, json.loads(SCHEMA.read_text()))
    assert (record["assumed"], record["side"], record["scale_m"]) == ([], "left", 0.08)
    assert record["box_px"] == [40, 30, 50]
    camera = np.array(record["camera_xyz_m"])
    assert np.allclose(camera[:, :2] / camera[:, 2:] * 90 + [40, 30], record["uv_px"], atol=0.05)


def test_what_cannot_be_predicted_is_refused_at_once(
    trained: Path, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "corrupt.jpg").write_bytes(b"\xff\xd8")
    (tmp_path / "clip.mp4").touch()
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for arguments, said in (
        (["nowhere", "corrupt.jpg"], ["no such run"]),
        ([trained, "x.jpg", "--box", "1,2", "--scale", 90], ["no such", "3 numbers", "metres"]),
        ([trained, "corrupt.jpg", "--to", "."], ["the input's folder"]),
        ([trained, "corrupt.jpg", "--to", "corrupt.jpg"], ["--to=corrupt.jpg", "is a file"]),
        ([trained, "corrupt.jpg", "--batch-size", 0], ["--batch-size 0: must be at least 1"]),
        ([trained, "corrupt.jpg", "--device", "tpu"], ["device tpu: "]),
        ([trained, "corrupt.jpg", "--box=9,9,9", "--boxes", "b.csv"], ["--boxes and --box: give"]),
        ([trained, "corrupt.jpg", "--boxes", "b.txt"], ["--boxes b.txt: give a .csv"]),
        ([trained, "corrupt.jpg", "--boxes", "b.csv"], ["b.csv: missing, there is no file b.csv"]),
        ([trained, "corrupt.jpg", "--format", "json,xml"], ["--format xml: choose"]),
        ([trained, "clip.mp4", "--format", "coco"], ["--format coco: it is for images"]),
        ([trained, "corrupt.jpg", "--smooth", "0,1"], ["the cutoff must be above 0"]),
        ([trained, "corrupt.jpg", "--min-confidence", 2], ["--min-confidence 2: must be 0 to 1"]),
        ([trained, "corrupt.jpg", "--detect-every", 0], ["--detect-every 0: must be"]),
        ([trained, "corrupt.jpg", "--detector", "nowhere:find"], ["there is no module nowhere"]),
        ([trained, "corrupt.jpg", "--thorough"], ["--thorough: is for --detector"]),
        ([trained, "corrupt.jpg", "--show"], ["--show: there is no display"]),
        ([trained, "camera:77"], ["camera:77: cannot be opened"]),
    ):
        with pytest.raises(SystemExit) as ended:
            script("predict", *arguments)
        assert all(part in str(ended.value.code) for part in said), ended.value.code
    with pytest.raises(SystemExit) as ended:
        script("predict", trained, "corrupt.jpg")
    assert ended.value.code == 1, "nothing was predicted"


def test_the_data_of_a_run_need_not_be_here_and_hostile_parts_are_refused(
    trained: Path, tmp_path: Path
) -> None:
    run_dir = Path(shutil.copytree(trained, tmp_path / "run"))
    config = json.loads((run_dir / "config.json").read_text())
    source = {
        "_target_": "handpose.data.sources.freihand.FreiHand",
        "root": "/nowhere/freihand",
        "cache": "/nowhere/cache",
        "quarantine": None,
        "image_size": 32,
        "crop_by": "joints",
        "val_fraction": 0.1,
        "box_side": 0.7,
    }
    config["dataset"] = config["pretrain"]["dataset"] = config["finetune"]["dataset"] = source
    (run_dir / "config.json").write_text(json.dumps(config))
    assert HandPose.from_run(run_dir, device="cpu").crop.by_joints

    config["head"]["_target_"] = "os.system"
    (run_dir / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"config\.json: head\._target_=os\.system"):
        HandPose.from_run(run_dir)
    (run_dir / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="not the configuration of a run"):
        HandPose.from_run(run_dir)
    with pytest.raises(ValueError, match="no such run"):
        HandPose.from_run(tmp_path / "nowhere")


@pytest.mark.slow
def test_a_run_is_exported_with_its_card(
    trained: Path, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = script("export", trained, "--to", tmp_path / "out")
    assert "on 100 random crops" in said
    onnx.checker.check_model(onnx.load(tmp_path / "out" / "model.onnx"))
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text()
    assert "synthetic × resnet18 × none × heatmap" in card
    assert "`pa_epe_mm`" in card
    assert "rendered by this program" in card

    from handpose.export import export_run as module

    honest = module.write_graph

    def other(model: torch.nn.Module, *arguments: object, **options: object) -> None:
        """A graph of weights that the model has no more."""
        honest(model, *arguments, **options)
        with torch.no_grad():
            next(model.model.head.parameters()).mul_(1.5)

    monkeypatch.setattr(module, "write_graph", other)
    with pytest.raises(ValueError, match="the ONNX graph is refused"):
        export_run(trained, tmp_path / "refused")
    assert list((tmp_path / "refused").iterdir()) == []
