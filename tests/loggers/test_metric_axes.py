"""Axes and better directions come from the declarations of the metrics."""

import pytest

from handpose.evaluation.metrics import METRICS
from handpose.evaluation.training_metrics import TRAINING_METRICS
from handpose.loggers.metric_axes import axis_of, best_of
from handpose.training.meters import METERS


@pytest.mark.parametrize("metric", [*METRICS, *TRAINING_METRICS], ids=lambda metric: metric.name)
def test_every_declared_direction_counts(metric) -> None:
    best = {"lower": "min", "higher": "max"}[metric.better] if metric.is_judged else None
    assert best_of(f"finetune/val_{metric.name}") == best
    assert best_of(f"finetune/{metric.name}") == best


def test_the_meters_have_their_own_axis_and_direction() -> None:
    for meter in METERS:
        name = f"pretrain/{meter.step_name}"
        assert axis_of(name) == "step"
        assert best_of(name) == ("max" if meter.better == "higher" else "min")


@pytest.mark.parametrize(
    ("name", "best"),
    [
        ("pretrain/val_loss", "min"),
        ("pretrain/train_loss_rotation", "min"),  # a term of the loss
        ("pretrain/val_top1", "max"),
        ("pretrain/step_learning_rate", None),
        ("pretrain/step_gradient_norm", None),
        ("pretrain/val_top1_chance", None),  # declared by nobody
        ("pretrain/val_of_a_new_objective", None),
    ],
)
def test_a_setting_or_an_undeclared_number_has_no_direction(name: str, best: str | None) -> None:
    assert best_of(name) == best


def test_epochs_are_the_axis_of_the_rest() -> None:
    assert axis_of("pretrain/val_loss") == axis_of("pretrain/train_loss") == "epoch"
