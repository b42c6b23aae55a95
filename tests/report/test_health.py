"""The panel on the health of the representation, and where its numbers stand elsewhere."""

import math

import cv2
import numpy as np
import pytest

from handpose.evaluation.embedding_health import HEALTH
from handpose.evaluation.summarise import describe
from handpose.report.curves import draw_health, stage_panels
from handpose.report.rows import pretext_rows

CURVES = {
    "pretrain/train_loss": [(0, 3.0), (1, 2.0)],
    **{f"pretrain/val_{name}": [(0, 0.9), (1, 0.4)] for name in HEALTH},
    "pretrain/probe_pa_epe_mm": [(1, 14.0)],
    "pretrain/probe_mean_pose_pa_epe_mm": [(1, 16.5)],
}
RESULTS = {
    "pretext_top1": 0.5,
    "pretext_top1_chance": 0.1,
    "pretext_untrained_top1": 0.2,
    "pretext_untrained_top1_chance": 0.1,
    "pretext_alignment": 0.4,
    "pretext_untrained_alignment": 0.9,
    "pretext_equivariance_error": None,
    "pretext_equivariance_error_reason": "not a finite number on the held-out pairs",
    "pretext_probe_pa_epe_mm": 14.0,
    "pretext_probe_mean_pose_pa_epe_mm": 16.5,
    "pretext_untrained_probe_pa_epe_mm": 15.0,
    "pretext_untrained_probe_mean_pose_pa_epe_mm": 16.5,
}


def _picture(png: bytes | None) -> np.ndarray:
    assert png is not None
    picture = cv2.imdecode(np.frombuffer(png, dtype=np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture


@pytest.mark.filterwarnings("error")  # the layout must not collapse
def test_each_number_has_a_curve_and_a_guide() -> None:
    assert all(describe(name).explanation for name in HEALTH)
    whole = _picture(draw_health(CURVES, RESULTS))
    undefined = {**CURVES, "pretrain/val_equivariance_error": [(0, math.nan), (1, math.nan)]}
    without = _picture(draw_health(undefined, RESULTS))
    assert min(whole.std(), without.std()) > 5
    assert whole.shape == without.shape
    assert not np.array_equal(without, whole)
    assert not np.array_equal(_picture(draw_health(CURVES, {})), whole)  # the untrained network's
    assert draw_health({"pretrain/train_loss": [(0, 1.0)]}, RESULTS) is None


def test_the_curves_of_the_loss_leave_health_out_and_end_with_the_probe() -> None:
    panels = stage_panels(CURVES, "pretrain")
    assert [panel.name for panel in panels] == ["loss", "probe_pa_epe_mm"]
    assert panels[-1].val == [(1, 14.0)]
    assert panels[-1].chance == [(1, 16.5)]


def test_the_table_has_each_number_beside_chance_and_the_untrained_network() -> None:
    values = {row.key: tuple(row.columns.values()) for row in pretext_rows(RESULTS)}
    assert values == {
        "pretext_top1": (0.5, 0.1, 0.2),
        "pretext_alignment": (0.4, None, 0.9),
        "pretext_equivariance_error": (None, None, None),
        "pretext_probe_pa_epe_mm": (14.0, 16.5, 15.0),
    }
