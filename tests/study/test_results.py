"""Numbers of results.json are read as they are, or refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from handpose.study.definition import parse_study
from handpose.study.metrics import check_metrics
from handpose.study.results import number

RESULTS = {"pa_epe_mm": 12, "epe2d_px": None, "epe2d_px_reason": "no labels", "split": "val"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "results.json").write_text(json.dumps(RESULTS | {"odd": float("nan")}))
    return tmp_path / "results.json"


def test_a_number_or_the_reason_why_there_is_none(path: Path) -> None:
    assert number(path, "pa_epe_mm") == (12.0, "")
    assert number(path, "epe2d_px") == (None, "no labels")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pa_epe", r"results\.json has no pa_epe; did you mean pa_epe_mm\?"),
        ("split", "split is 'val', not a finite number"),
        ("odd", "odd is nan, not a finite number"),
    ],
)
def test_what_is_no_number_is_refused(path: Path, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        number(path, name)


def test_numbers_that_train_py_does_not_compute_are_refused_before_it_runs(
    content: dict[str, Any],
) -> None:
    check_metrics(parse_study(content))
    content["tune"]["metric"] = "val_pa_epe_mm"
    check_metrics(parse_study(content))
    content["tune"]["metric"] = "pa_mm"
    wrong = parse_study(content | {"metric": "pa_epe", "constant": "mean_pose_epe_mm"})
    with pytest.raises(ValueError, match="did you mean pa_epe_mm") as error:
        check_metrics(wrong)
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == [
        "metric",
        "constant",
        "tune.metric",
    ]
