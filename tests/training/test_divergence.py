"""A model that has diverged is called so where its numbers are first looked at."""

import pytest
import torch

from handpose.evaluation.evaluation import collect
from handpose.records import Prediction
from handpose.training.divergence import DivergedError, check_predictions


def prediction(**changed: float) -> Prediction:
    """Of three hands; the middle one has the value named."""
    parts = {
        "uvz": torch.ones(3, 21, 3),
        "xyz": torch.ones(3, 21, 3),
        "root_depth": torch.ones(3),
    }
    for name, value in changed.items():
        parts[name][1] = value
    rest = {name: torch.ones(3) for name in Prediction._fields if name not in parts}
    return Prediction(**parts, **rest)


def test_sound_predictions_pass() -> None:
    check_predictions(prediction())
    check_predictions(prediction(uvz=-9e5, root_depth=0.0))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("part", ["uvz", "xyz", "root_depth"])
def test_one_that_is_not_finite_is_counted(part: str, value: float) -> None:
    with pytest.raises(DivergedError, match=r"finetune has diverged: .* 1 of 3 hands .*lower opt"):
        check_predictions(prediction(**{part: value}))


def test_nothing_is_made_of_such_predictions() -> None:
    """Before the first alignment, whose SVD would fail with words of its own."""
    with pytest.raises(DivergedError):
        collect(prediction(uvz=1e30), None, torch.empty(0, 3), reference_bone="index")  # type: ignore[arg-type]
