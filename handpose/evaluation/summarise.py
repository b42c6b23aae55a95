"""An evaluation -> the numbers of results.json, and the words for each of their names.

The metrics stand in `metrics.METRICS`. Beside "<name>" stand its median, "<name>_n_hands" and
"<name>_n_joints" (of how many it is the mean), the values of the baselines, and, for null,
"<name>_reason".
"""

from collections.abc import Sequence
from dataclasses import replace

from handpose.evaluation import metrics, pose_errors
from handpose.evaluation.evaluation import (
    Evaluation,
    Results,
    finite_or_null,
    not_applicable,
    swap_side,
    with_constant_pose,
)
from handpose.evaluation.joint_errors import JointErrors
from handpose.evaluation.metrics import ALL_LABELS, MEAN_POSE, SHUFFLED, Metric
from handpose.evaluation.training_metrics import TRAINING_METRICS, LoggedMetric, undeclared

SECOND_PASS = "second_pass_"
COUNTS = ("_n_hands", "_n_joints")
NUM_SAMPLES = "n_test"
VALIDATION = ("val_pa_epe_mm", "val_epe2d_crop_px")  # a run has the one that chose its best epoch
_NO_POSE = "no labelled training hand is complete in 3D"
# Prefix -> what it adds to a metric's label, and the explanation that replaces the metric's.
_WORDS = {
    SECOND_PASS: (", second pass", "For crops around the joints that the first pass predicted."),
    ALL_LABELS: (
        ", mean pose of all labels",
        "The constant from all labelled training hands, also from those whose labels were withheld "
        "from the run.",
    ),
    MEAN_POSE: (", mean pose", "The constant from the training hands with labels."),
    SHUFFLED: (", shuffled", "Each prediction against another test hand."),
    "val_": (", validation", "Of the best epoch, which was chosen by it."),
}


def summarise(evaluation: Evaluation) -> Results:
    """Returns the flat results; a metric that does not apply is null, with "<name>_reason"."""
    baselines = {
        MEAN_POSE: with_constant_pose(evaluation, evaluation.mean_pose),
        ALL_LABELS: with_constant_pose(evaluation, evaluation.mean_pose_of_all),
        SHUFFLED: _shuffled(evaluation),
    }
    results = _of_model(evaluation)
    for prefix, predicted in baselines.items():
        results |= _of_baseline(prefix, predicted)
    return results | {NUM_SAMPLES: len(evaluation.index)}


def summarise_passes(passes: Sequence[Evaluation]) -> Results:
    """Returns the results of the first pass, and those of a second as "second_pass_<name>"."""
    results = summarise(passes[0])
    for second in passes[1:]:
        kept = (second.affine == passes[0].affine).all(dim=(1, 2)).sum()
        own = {n: value for n, value in _of_model(second).items() if not n.endswith(COUNTS)}
        results |= {f"{SECOND_PASS}{name}": value for name, value in own.items()}
        results["n_second_pass_kept_first_crop"] = int(kept)
    return results


def _of_model(e: Evaluation) -> Results:
    results = Results()
    for metric, (values, valid, needs) in _errors(metrics.METRICS, e):
        numbers = {metric.name: metric.reduce(values, valid)}
        if metric.unit:
            numbers[metric.median_name] = pose_errors.median(values, valid)
        results |= finite_or_null(numbers, reason=f"no sample has {needs}")
        counts = (int(valid.any(1).sum()), int(valid.sum()))
        results |= {f"{metric.name}{end}": n for end, n in zip(COUNTS, counts, strict=True)}
    return results


def _of_baseline(prefix: str, e: Evaluation | None) -> Results:
    """The metrics that are computed for other predictions too; None if there are none."""
    own = [metric for metric in metrics.METRICS if prefix in metric.baselines]
    if e is None:
        return not_applicable(tuple(f"{prefix}{metric.name}" for metric in own), _NO_POSE)
    results = Results()
    for metric, (values, valid, needs) in _errors(own, e):
        number = {f"{prefix}{metric.name}": metric.reduce(values, valid)}
        results |= finite_or_null(number, reason=f"no sample has {needs}")
    return results


def _errors(chosen: Sequence[Metric], e: Evaluation) -> list[tuple[Metric, JointErrors]]:
    """Each metric with its errors; metrics of the same errors share them."""
    errors = {compute: compute(e) for compute in {metric.errors for metric in chosen}}
    return [(metric, errors[metric.errors]) for metric in chosen]


def _shuffled(e: Evaluation) -> Evaluation:
    """Each prediction for another hand, half the split away: a control."""
    right = swap_side(e.xyz, e.is_left)
    others = right.roll(max(1, len(right) // 2), dims=0)
    return e._replace(xyz=swap_side(others, e.is_left))


def summary_names() -> tuple[str, ...]:
    """Names of all numbers of `summarise`, but for the counts."""
    known = metrics.METRICS
    medians = (metric.median_name for metric in known if metric.unit)
    baselines = (f"{prefix}{metric.name}" for metric in known for prefix in metric.baselines)
    return (*(metric.name for metric in known), *medians, *baselines, NUM_SAMPLES)


def row_names() -> tuple[str, ...]:
    """Names of the numbers with a row of their own in a table of results, in its order."""
    known = metrics.METRICS
    passes = (f"{prefix}{metric.name}" for metric in known for prefix in ("", SECOND_PASS))
    constants = (f"{ALL_LABELS}{metric.name}" for metric in known if ALL_LABELS in metric.baselines)
    return (*passes, *constants, *VALIDATION)


def main_names() -> tuple[str, ...]:
    """Names of the metrics for a first look."""
    return tuple(metric.name for metric in metrics.METRICS if metric.is_main)


def describe(name: str) -> LoggedMetric:
    """Words, unit and direction of a number of results.json or metrics.csv."""
    for metric in (*metrics.METRICS, *TRAINING_METRICS):
        if name == metric.name:
            return metric
        if isinstance(metric, Metric) and name == metric.median_name:
            return replace(metric, name=name, label=f"{metric.label}, median")
    for prefix, (words, explanation) in _WORDS.items():
        if name.startswith(prefix):
            own = describe(name.removeprefix(prefix))
            return replace(own, name=name, label=own.label + words, explanation=explanation)
    return undeclared(name)
