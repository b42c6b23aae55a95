"""A run that only pre-trains, with the probe: the numbers stand wherever they should."""

import json
import math
from collections.abc import Callable
from pathlib import Path

from handpose.evaluation.embedding_health import HEALTH
from handpose.loggers.csv_log import read_curves


def test_health_and_probe_reach_curves_results_and_page(train: Callable[..., Path]) -> None:
    probe = ("pretrain.probe.samples=16", "pretrain.probe.every_n_epochs=5")  # the last epoch too
    run_dir = train("head=none", "objective=contrastive", "report=true", *probe)
    curves = read_curves(run_dir / "metrics.csv")
    results = json.loads((run_dir / "results.json").read_text())
    page = (run_dir / "report.html").read_text()
    for name in HEALTH:
        ((epoch, last),) = curves[f"pretrain/val_{name}"]
        assert (epoch, last) == (0, results[f"pretext_{name}"])
        assert math.isfinite(results[f"pretext_untrained_{name}"])
    assert results["pretext_rank"] != results["pretext_untrained_rank"]
    ((_, error),) = curves["pretrain/probe_pa_epe_mm"]
    assert error == results["pretext_probe_pa_epe_mm"]
    assert results["pretext_probe_mean_pose_pa_epe_mm"] > 0
    assert "Health of the representation" in page
    assert 'alt="health"' in page
    assert f"{results['pretext_equivariance_error']}" in page
