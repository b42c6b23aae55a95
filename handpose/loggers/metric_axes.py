"""The axis and the better direction of a logged metric, from its declaration."""

from typing import Literal

from handpose.evaluation import metrics
from handpose.evaluation.training_metrics import TRAINING_METRICS, LoggedMetric
from handpose.training.meters import STEP

EPOCH_AXIS, STEP_AXIS = "epoch", "step"
_KINDS = ("train_", "val_")  # before the name of a metric that both splits have
_LOSS = "loss"  # also the start of the names of its terms

Best = Literal["min", "max"]


def axis_of(name: str) -> str:
    """Return the x axis of a metric "<stage>/<name>": the epoch, or the step for `step_*`."""
    return STEP_AXIS if f"/{STEP}" in name else EPOCH_AXIS


def best_of(name: str) -> Best | None:
    """Return which value of a curve "<stage>/<name>" is its best.

    None for metrics without a better direction: settings, states, and numbers that nobody declares.
    """
    metric = _declared(name.rpartition("/")[2])
    if metric is None or not metric.is_judged:
        return None
    return "max" if metric.better == "higher" else "min"


def _declared(name: str) -> LoggedMetric | None:
    """Return the declaration of a metric, without the prefix of its split."""
    known = {metric.name: metric for metric in (*metrics.METRICS, *TRAINING_METRICS)}
    if name in known:
        return known[name]
    for kind in _KINDS:
        plain = name.removeprefix(kind)
        if plain != name:
            return known.get(_LOSS if plain.startswith(f"{_LOSS}_") else plain)
    return None
