"""Every objective with every head on four backbones; whatever conf/ holds takes part."""

import json
import math
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import documents
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from handpose.config.catalogue import Catalogue
from handpose.config.checks.command_line import check_command_line
from handpose.config.checks.safety import class_value
from handpose.config.schema import register

ROOT = Path(__file__).resolve().parents[2]
# Backbone -> a smaller model of the same class, or nothing.
COLUMNS = {
    "resnet18": "",
    "hrnet_w18": "hrnet_w18_small",
    "convnext_tiny": "test_convnext",
    "vit_small": "test_vit",
}
SMALLER = {
    name: smaller
    for name, smaller in COLUMNS.items()
    if (ROOT / "conf" / "backbone" / f"{name}.yaml").exists()
}
SHORT = ("trainer.caps.samples=16", "pretrain.max_epochs=1")
METRICS = {
    "epe2d_px",
    "epe3d_root_relative_bone_granted_mm",
    "pa_epe_mm",
    "auc_pa_50mm",
    "mean_pose_pa_epe_mm",
    "n_test",
    "pretrain_seconds",
}
Sweep = Callable[..., tuple[int, Path]]


def choices(group: str, root: Path = ROOT) -> list[str]:
    """The choices that conf/ holds, but for `none`."""
    found = sorted(path.stem for path in (root / "conf" / group).glob("*.yaml"))
    return [choice for choice in found if choice != "none"]


OBJECTIVES, HEADS = ["none", *choices("objective")], choices("head")


def column(backbone: str) -> list[str]:
    """The overrides of a backbone, in its smaller model."""
    smaller = SMALLER[backbone]
    return [f"backbone={backbone}", *([f"backbone.name={smaller}"] if smaller else [])]


@cache
def fits(objective: str, backbone: str) -> bool:
    """Whether the objective's class, and those of its parts, work with the backbone."""
    content = Catalogue().content("objective", objective)
    name = SMALLER[backbone] or Catalogue().content("backbone", backbone)["name"]
    for part in (content.get("parts") or {"": content}).values():
        prefixes = class_value(part.get("_target_"), "fits_backbones") or ("",)
        unfit = class_value(part.get("_target_"), "unfit_backbones") or ()
        if not name.startswith(prefixes) or any(word in name for word in unfit):
            return False
    return True


def diagonal() -> list[tuple[str, str, str]]:
    """(objective, head, backbone): each objective once, heads in turn.

    Each backbone is taken once, then the smaller models in turn, which are quick.
    """
    cells: list[tuple[str, str, str]] = []
    for place, objective in enumerate(OBJECTIVES):
        fitting = [backbone for backbone in SMALLER if fits(objective, backbone)]
        used = {backbone for *_, backbone in cells}
        rest = [backbone for backbone in fitting if backbone not in used]
        quick = rest or [backbone for backbone in fitting if SMALLER[backbone]] or fitting
        cells.append((objective, HEADS[place % len(HEADS)], quick[place % len(quick)]))
    return cells


def results_of(folder: Path) -> list[dict]:
    """The results of a multirun's cells, each with the metrics of a whole run."""
    results = [json.loads(path.read_text()) for path in sorted(folder.glob("*/results.json"))]
    for result in results:
        metrics = {k: v for k, v in result.items() if isinstance(v, float | int)}
        assert set(metrics) >= METRICS
        assert all(math.isfinite(value) for value in metrics.values())
    return results


def test_each_objective_and_each_head_once(train: Callable[..., Path]) -> None:
    cells = diagonal()
    assert {"contrastive", "relative", "none"} <= {objective for objective, _, _ in cells}
    assert {head for _, head, _ in cells} == set(HEADS) >= {"regression", "heatmap", "simcc"}
    assert {backbone for *_, backbone in cells} == set(SMALLER)
    for place, (objective, head, backbone) in enumerate(cells):
        parts = (f"objective={objective}", f"head={head}", *column(backbone))
        run_dir = train(*SHORT, *parts, name=f"cells/{place}")
        assert (run_dir / "model.pt").exists()
        result = json.loads((run_dir / "results.json").read_text())
        assert (result["pretrain_seconds"] > 0) == (objective != "none")
        for weights in run_dir.glob("*.pt"):
            weights.unlink()
    results = results_of(run_dir.parent)
    assert len(results) == len(OBJECTIVES)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", list(SMALLER))
def test_every_objective_with_every_head(sweep: Sweep, backbone: str) -> None:
    """A multirun for each head, which share the encoders; its files are deleted once read."""
    objectives = [objective for objective in OBJECTIVES if fits(objective, backbone)]
    for head in HEADS:
        axes = (f"objective={','.join(objectives)}", f"head={head}")
        code, folder = sweep(*SHORT, *axes, *column(backbone), name=head)
        assert code == 0
        assert len(results_of(folder)) == len(objectives)
        shutil.rmtree(folder)


def test_a_misfit_is_refused_before_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    register()
    misfits = [(o, b) for o in OBJECTIVES for b in SMALLER if not fits(o, b)]
    for objective, backbone in misfits:
        with pytest.raises(SystemExit) as refused:
            check_command_line([f"objective={objective}", *column(backbone)])
        assert refused.value.code == 1
        assert f"objective={objective}" in capsys.readouterr().err
    assert misfits or "mae" not in OBJECTIVES


@pytest.mark.parametrize("name", [n for n in choices("backbone") if n not in SMALLER])
def test_every_other_backbone_does_a_forward_and_a_backward_pass(name: str) -> None:
    """On the meta device, which computes shapes alone: no weights are drawn."""
    with torch.device("meta"):
        backbone = instantiate(OmegaConf.load(ROOT / "conf" / "backbone" / f"{name}.yaml"))
        features, embedding = backbone(torch.rand(2, 3, 64, 64))
    for level, channels, stride in zip(features, backbone.channels, backbone.strides, strict=True):
        assert level.shape == (2, channels, 64 // stride, 64 // stride)
    assert embedding.shape == (2, backbone.embedding_dim)
    embedding.square().sum().backward()
    assert all(p.grad is not None for p in backbone.parameters())


def test_a_new_objective_is_one_file_of_code_and_one_of_configuration(
    train_process: Callable[..., subprocess.CompletedProcess], tmp_path: Path
) -> None:
    root, run_dir = tmp_path / "checkout", tmp_path / "run"
    ignore = shutil.ignore_patterns("__pycache__")
    for folder in ("handpose", "conf"):
        shutil.copytree(ROOT / folder, root / folder, ignore=ignore)
    shutil.copy(ROOT / "train.py", root)
    for path, content in documents.files(ROOT / "docs" / "guide" / "adding_a_part.md").items():
        (root / path).write_text(content)
    new = sorted(set(choices("objective", root)) - set(choices("objective")))
    assert new == ["shrink"]
    tiny = ("trainer=debug", "dataset.image_size=32", "report=false", *SHORT)
    done = train_process("objective=shrink", *tiny, f"hydra.run.dir={run_dir}", root=root)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert json.loads((run_dir / "results.json").read_text()).keys() >= METRICS
    wrong = train_process("objective=shrink", "objective.strenght=1", root=root)
    assert wrong.returncode == 1
    assert "objective.strength" in wrong.stderr
