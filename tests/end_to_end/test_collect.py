"""SiMHand's pipeline in three commands: video -> joints -> mined pre-training -> poses."""

import importlib.util
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import wild_video
from collected import rows, summary

from handpose.collect.command import main
from handpose.data.synthetic.render import render_hand

Train = Callable[..., Path]


def pipeline(video: Path, model: str, tmp_path: Path, train: Train) -> Path:
    """Run the three commands in little; return the folder of the collection."""
    out = tmp_path / "out"
    main([str(video), str(out), "--model", model])
    pretrained = train(
        *("dataset@pretrain.dataset=folder", f"pretrain.dataset.root={out}"),
        *("pretrain.dataset.boxes=boxes.csv", "pretrain.dataset.image_size=32"),
        *("objective=contrastive", "pretrain.positives=mined", f"pretrain.mining.joints={out}"),
        "head=none",
        name="pretrained",
    )
    backbone = pretrained / "backbone.pt"
    state = torch.load(backbone, weights_only=True)["state_dict"]
    assert all(value.isfinite().all() for value in state.values())
    tuned = train("objective=none", f"backbone.weights={backbone}", name="tuned")
    assert json.loads((tuned / "results.json").read_text())["n_test"] > 0
    return out


def partners(printed: str) -> list[tuple[int, int]]:
    """Of each split, how many of its samples have partners."""
    found = re.findall(r"(\d+) of (\d+) samples have partners", printed)
    return [(int(some), int(number)) for some, number in found]


def test_from_a_video_to_poses(
    tmp_path: Path, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    video = tmp_path / "clip.mp4"
    wild_video.write_wild_video(video, seconds=60)
    out = pipeline(video, "wild_video:detect", tmp_path, train)
    printed = capsys.readouterr().out
    assert "uses labels: it" not in printed
    (some, number), _ = partners(printed)
    labelled = summary(out)["counts"]["hands with landmarks"]
    assert 0.4 * number < some <= min(number, labelled)
    assert number < len(rows(out, "labels.jsonl"))


@pytest.mark.slow
def test_from_a_video_of_real_hands_to_poses(
    real_samples: Path, tmp_path: Path, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    if importlib.util.find_spec("mediapipe") is None:
        pytest.skip('mediapipe is not installed (pip install "handpose[detect]")')
    model = os.environ.get("HANDPOSE_HAND_LANDMARKER")
    if not model:
        pytest.skip("HANDPOSE_HAND_LANDMARKER does not name a hand_landmarker.task")
    rng = np.random.default_rng(0)
    images = [render_hand(rng, size=224, orientation="frontal").image for _ in range(8)]
    images += wild_video.real_hands(real_samples)
    video = tmp_path / "clip.mp4"
    settings = dict(seconds=120, images=images, size=(640, 360), blue=False)
    wild_video.write_wild_video(video, **settings)
    out = pipeline(video, model, tmp_path, train)
    counts = summary(out)["counts"]
    assert counts["hands kept"] >= 20
    assert counts["hands with landmarks"] >= 0.5 * counts["hands kept"]
    assert partners(capsys.readouterr().out)[0][0] > 0
    for label in rows(out, "labels.jsonl"):
        if label["uv"] is not None:
            uv = np.array([point for point in label["uv"] if point])
            assert np.abs(uv - label["box"][:2]).max() <= 0.51 * label["box"][2]
