"""A metric is declared once: a made-up one appears wherever results are shown."""

import json
from pathlib import Path

import pytest
import torch
from rich.console import Console

from handpose.evaluation import metrics
from handpose.evaluation.evaluation import Evaluation, Results
from handpose.evaluation.joint_errors import JointErrors
from handpose.evaluation.metrics import MEAN_POSE, Metric
from handpose.evaluation.summarise import describe, summarise
from handpose.explore.comparison import metric_titles
from handpose.explore.finished_runs import Run
from handpose.loggers.metric_axes import best_of
from handpose.loggers.outcome import main_numbers, numbers
from handpose.report.page import ReportInput, write_report
from handpose.report.terminal import print_results
from handpose.study.study_file import check_metrics, parse_study
from handpose.sweep.cells import Cell
from handpose.sweep.rows import read_rows
from handpose.sweep.summary import Summary, heading
from handpose.sweep.table import write_table

NAME, LABEL = "wobble_px", "Wobble of the wrist"
N, J = 6, 21


def wobble(e: Evaluation) -> JointErrors:
    return JointErrors(e.xyz[..., 0].abs(), e.uv_valid, "a wrist that wobbles")


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Metric(
        NAME,
        LABEL,
        "How far it wobbles.",
        better="higher",
        errors=wobble,
        baselines=(MEAN_POSE,),
        is_main=True,
    )
    monkeypatch.setattr(metrics, "METRICS", (*metrics.METRICS, own))


def evaluate(*, labelled: bool = True) -> Results:
    fields: dict[str, torch.Tensor] = {
        name: torch.ones(N, dtype=torch.float64) for name in Evaluation._fields
    }
    for name in Evaluation._fields:
        if "xyz" in name or "uv" in name:
            fields[name] = torch.rand(N, J, 2 if "uv" in name else 3, dtype=torch.float64)
        if name.endswith("_valid"):
            shape = (N,) if name[0] in "Ks" else (N, J)
            fields[name] = torch.full(shape, labelled)
        if name.startswith("is_"):
            fields[name] = torch.zeros(N, dtype=torch.bool)
        if name == "confidence":
            fields[name] = torch.rand(N, J, dtype=torch.float64)
        if name.startswith("mean_pose"):
            fields[name] = torch.rand(J, 3, dtype=torch.float64)
    return summarise(Evaluation(**fields))


@pytest.fixture
def results() -> Results:
    return evaluate()


def test_results_have_it_with_median_counts_and_baseline(results: Results) -> None:
    assert 0 < results[NAME] < 1
    assert 0 < results["wobble_median_px"] < 1
    assert (results[f"{NAME}_n_hands"], results[f"{NAME}_n_joints"]) == (N, N * J)
    assert 0 < results[f"mean_pose_{NAME}"] < 1
    without = evaluate(labelled=False)
    assert without[NAME] is None
    assert without[f"{NAME}_reason"] == "no sample has a wrist that wobbles"


def test_its_words_follow_every_form_of_its_name() -> None:
    assert (describe(NAME).title, describe(NAME).better) == (f"{LABEL}, px", "higher")
    assert describe("wobble_median_px").title == f"{LABEL}, median, px"
    assert describe(f"second_pass_{NAME}").label == f"{LABEL}, second pass"
    assert describe(f"mean_pose_{NAME}").better == "higher"


def test_the_report_and_the_terminal_have_it(results: Results, tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", ReportInput({}, "", results, {}, None, {}, None), {})
    page = (tmp_path / "report.html").read_text()
    for text in (LABEL, "How far it wobbles.", f"<code>{NAME}</code>", f'"{results[NAME]}"'):
        assert text in page
    console = Console(record=True, width=120, file=(tmp_path / "out").open("w"))
    print_results(results, run_dir=tmp_path, console=console)
    assert f"{results[NAME]:.2f} px" in next(
        line for line in console.export_text().splitlines() if line.startswith(LABEL)
    )


def test_a_sweep_a_study_and_the_explorer_have_it(results: Results, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "results.json").write_text(json.dumps(results))
    summary = Summary(tmp_path, read_rows([Cell((), tmp_path, {})]))
    write_table(summary, sweep="one", command="train.py -m")
    table = (tmp_path / "sweep.md").read_text()
    assert heading(NAME) in table
    assert f"- `{NAME}`: {LABEL}, px" in table
    assert f"{results[NAME]:.4g}" in table
    assert metric_titles([Run("a", tmp_path, {}, results, 0.0)])[f"{LABEL}, px"] == NAME
    content = {
        "name": "one", "question": "?", "metric": NAME, "better": "higher", "baseline": "none",
        "constant": f"mean_pose_{NAME}", "seeds": [5], "heads": ["heatmap"], "fractions": [1.0],
        "pretrain": {"arms": {"none": None, "relative": ["objective=relative"]}},
    }  # fmt: skip
    check_metrics(parse_study(content))
    with pytest.raises(ValueError, match=NAME):
        check_metrics(parse_study({**content, "metric": "wobbel_px"}))
    with pytest.raises(ValueError, match="but higher is better for wobble_px"):
        check_metrics(parse_study({**content, "better": "lower"}))


def test_trackers_have_it(results: Results) -> None:
    assert main_numbers(results)[NAME] == numbers(results)[NAME] == results[NAME]
    assert best_of(f"finetune/val_{NAME}") == "max"
