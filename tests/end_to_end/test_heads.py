"""Whole runs with the options of a head: about the palm, refined, in lengths of the other bone."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("head", "options"),
    [
        ("regression", []),
        ("heatmap", ["finetune.layer_decay=0.8"]),
        ("simcc", ["finetune.freeze_backbone=true", "finetune.average_decay=0.9"]),
    ],
)
def test_a_refined_palm_with_the_middle_bone(
    train: Callable[..., Path], head: str, options: list[str]
) -> None:
    run_dir = train(
        f"head={head}",
        *options,
        "head.root=palm",
        "head.root_depth=refined",
        "reference_bone=middle",
        "report=true",
        "objective=none",
    )
    results = json.loads((run_dir / "results.json").read_text())
    assert results["root_depth_error_refined_mm"] == results["root_depth_error_mm"]
    assert results["root_depth_error_solved_mm"] != results["root_depth_error_mm"]
    numbers = [value for value in results.values() if isinstance(value, float)]
    assert all(math.isfinite(value) for value in numbers)
    assert "train_loss_root_depth" in (run_dir / "metrics.csv").read_text()
    page = (run_dir / "report.html").read_text()
    assert f"{head}, about the palm, root depth refined" in page
    assert "Root depth error, solved" in page


def test_refining_leaves_the_pose_as_it_is(train: Callable[..., Path]) -> None:
    results = [
        json.loads((train(*options, "objective=none", name=name) / "results.json").read_text())
        for name, options in {"solve": [], "refined": ["head.root_depth=refined"]}.items()
    ]
    for name in ("epe2d_px", "pa_epe_weak_perspective_px", "root_depth_error_solved_mm"):
        assert results[0][name] == results[1][name]
    assert results[0]["root_depth_error_refined_mm"] is None
    assert results[0]["root_depth_error_mm"] != results[1]["root_depth_error_mm"]
