"""A ViT and a ConvNeXt of timm, from a run through all that reads its model."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from handpose.backbones.timm_backbone import TimmBackbone
from handpose.config.schema import register
from handpose.config.stored import check_evaluation
from handpose.export.export_run import export_run
from handpose.pipeline.evaluate_run import evaluate_finished, open_finished
from handpose.pipeline.run_directory import finished_config
from handpose.predict import HandPose
from handpose.weights import torch_file
from handpose.weights.command import main as weights_command

Train = Callable[..., Path]
IMAGE = np.random.default_rng(0).integers(0, 256, (80, 90, 3), np.uint8)


def timm_run(train: Train, name: str, *settings: str, run: str = "run") -> Path:
    return train("backbone=timm", f"backbone.name={name}", "head=heatmap", *settings, name=run)


def weights(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    weights_command(list(map(str, arguments)))
    return capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["test_vit", "test_convnext"])
def test_a_run_and_all_that_reads_its_model(
    name: str, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = timm_run(train, name, "objective=relative", "finetune.layer_decay=0.5")
    for file in ("backbone.pt", "model.pt"):
        assert torch_file.load(first / file)["meta"]["mean"] == pytest.approx([127.5] * 3)
    register()
    _, model = open_finished(first)
    assert model.backbone.statistics["std"] == pytest.approx([127.5] * 3)
    hand = HandPose.from_run(first, device="cpu").predict([IMAGE])[0]
    assert np.isfinite(hand.uv).all()
    agreement = export_run(first, tmp_path / "exported").agreement
    assert agreement.holds(1e-4), agreement
    results, _, _ = evaluate_finished(check_evaluation(finished_config(first), []), first)
    assert np.isfinite(results["pa_epe_mm"])

    said = weights(capsys, "export", first)
    scope = {"torch": torch, "timm": timm}
    exec("\n".join(re.findall(r"^  (network.*)$", said, re.MULTILINE)), scope)
    exported = scope["network"].state_dict()
    own = torch_file.load(first / "backbone.pt")["state_dict"]
    assert all(torch.equal(value, own[key]) for key, value in exported.items())
    said = weights(capsys, "import", first / f"{name}-pretrain.pth", "--backbone", name)
    (command,) = re.findall(r"python train.py (.*)$", said, re.MULTILINE)
    second = train(*command.split(), "objective=none", "head=regression", name="second")
    again = torch_file.load(second / "backbone.pt")
    assert all(torch.equal(value, own[key]) for key, value in again["state_dict"].items())
    assert again["meta"]["mean"] == pytest.approx([127.5] * 3)


def test_statistics_are_those_of_the_file_of_weights(train: Train, tmp_path: Path) -> None:
    """Not those of the name: a file of other statistics keeps its own, as does its run."""
    backbone = TimmBackbone(name="test_vit")
    content = {"state_dict": backbone.network.state_dict(), "decoder": None}
    meta = {"mean": [1.0, 2.0, 3.0], "std": [4.0, 5.0, 6.0]}
    torch_file.save(content | {"meta": meta}, tmp_path / "backbone.pt")
    settings = ("objective=none", f"backbone.weights={tmp_path / 'backbone.pt'}")
    run_dir = timm_run(train, "test_vit", *settings)
    (tmp_path / "backbone.pt").unlink()
    _, model = open_finished(run_dir)
    assert model.backbone.statistics == meta
