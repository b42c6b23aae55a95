"""Whether train.py computes the numbers that a study is about."""

from handpose.config.refusal import did_you_mean, nearest
from handpose.evaluation.metrics import METRICS
from handpose.study.definition import Study

_VALIDATION = "val_"  # the best of a fine-tuning; which one there is depends on the labels


def check_metrics(study: Study) -> None:
    """Refuses names that no results.json will have.

    Raises:
        ValueError: a name is unknown; names the nearest.
    """
    names = {"metric": study.metric, "constant": study.constant}
    names |= {"tune.metric": study.tuning.metric if study.tuning else None}
    problems = [
        f"{key}: {name}: train.py computes no such number{did_you_mean(nearest(name, METRICS))}"
        for key, name in names.items()
        if name is not None and name not in METRICS and not name.startswith(_VALIDATION)
    ]
    if problems:
        raise ValueError("\n".join(problems))
