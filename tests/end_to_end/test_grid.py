"""Every objective with every head on two backbones; whatever conf/ holds takes part."""

import json
import math
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import documents
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

ROOT = Path(__file__).resolve().parents[2]
BACKBONES = ("resnet18", "hrnet_w18")
TINY = ("trainer=debug", "dataset.image_size=32", "trainer.caps.samples=16", "report=false")


def choices(group: str, root: Path = ROOT) -> list[str]:
    """The choices that conf/ holds, but for `none`."""
    found = sorted(path.stem for path in (root / "conf" / group).glob("*.yaml"))
    return [choice for choice in found if choice != "none"]


def run_grid(
    train_process: Callable[..., subprocess.CompletedProcess], sweep: Path, root: Path, *axes: str
) -> list[dict]:
    """One multirun over `axes`; the results of its cells."""
    done = train_process(
        "-m", *TINY, f"hydra.sweep.dir={sweep}", "pretrain.max_epochs=1", *axes, root=root
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return [json.loads(path.read_text()) for path in sorted(sweep.glob("*/results.json"))]


def test_every_objective_with_every_head_and_backbone(
    train_process: Callable[..., subprocess.CompletedProcess], tmp_path: Path
) -> None:
    objectives, heads = ["none", *choices("objective")], choices("head")
    assert {"contrastive", "relative"} <= set(objectives)
    assert {"regression", "heatmap"} <= set(heads)
    results = run_grid(
        train_process,
        tmp_path / "grid",
        ROOT,
        f"objective={','.join(objectives)}",
        f"head={','.join(heads)}",
        f"backbone={','.join(BACKBONES)}",
    )
    assert len(results) == len(objectives) * len(heads) * len(BACKBONES)
    for result in results:
        metrics = {k: v for k, v in result.items() if isinstance(v, float | int)}
        assert {
            "epe2d_px",
            "epe3d_root_relative_bone_granted_mm",
            "pa_epe_mm",
            "auc_pa_50mm",
        } <= set(metrics)
        assert {"mean_pose_pa_epe_mm", "n_test", "pretrain_seconds"} <= set(metrics)
        assert all(math.isfinite(value) for value in metrics.values())
    cell = next((tmp_path / "grid").iterdir())
    assert not set(cell.name) & set("=, /")


@pytest.mark.parametrize("name", [n for n in choices("backbone") if n not in BACKBONES])
def test_every_other_backbone_does_a_forward_and_a_backward_pass(name: str) -> None:
    backbone = instantiate(OmegaConf.load(ROOT / "conf" / "backbone" / f"{name}.yaml"))
    features, embedding = backbone(torch.rand(2, 3, 64, 64))
    for level, channels, stride in zip(features, backbone.channels, backbone.strides, strict=True):
        assert level.shape == (2, channels, 64 // stride, 64 // stride)
    assert embedding.shape == (2, backbone.embedding_dim)
    embedding.square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in backbone.parameters())


def test_a_new_objective_is_one_file_of_code_and_one_of_configuration(
    train_process: Callable[..., subprocess.CompletedProcess], tmp_path: Path
) -> None:
    root = tmp_path / "checkout"
    ignore = shutil.ignore_patterns("__pycache__")
    for folder in ("handpose", "conf"):
        shutil.copytree(ROOT / folder, root / folder, ignore=ignore)
    shutil.copy(ROOT / "train.py", root)
    for path, content in documents.files(ROOT / "docs" / "guide" / "adding_a_part.md").items():
        (root / path).write_text(content)
    new = sorted(set(choices("objective", root)) - set(choices("objective")))
    assert new == ["shrink"]
    results = run_grid(
        train_process,
        tmp_path / "grid",
        root,
        f"objective={new[0]}",
        f"head={','.join(choices('head', root))}",
    )
    assert len(results) == len(choices("head"))
    wrong = train_process("objective=shrink", "objective.strenght=1", root=root)
    assert wrong.returncode == 1
    assert "objective.strength" in wrong.stderr
