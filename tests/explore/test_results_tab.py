"""What the tab of the results offers, and that nothing of an earlier choice stays."""

import json
import os
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason='no Gradio here (pip install -e ".[explore]")')

from handpose.explore.finished_runs import ORDERS, Run, find_runs
from handpose.explore.results_tab import _Handlers, choices


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three runs; "b" is the newest, "a" the best, and the lone one lies in the folder of a day."""
    for place, (name, error) in enumerate((("s/c", None), ("s/a", 9.0), ("2026-01-02/b", 12.0))):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        head = {"_target_": f"handpose.heads.{'heatmap' if place else 'regression'}.Head"}
        (folder / "config.json").write_text(json.dumps({"head": head}))
        (folder / "results.json").write_text(json.dumps({"pa_epe_mm": error}))
        os.utime(folder / "results.json", (1000 + place, 1000 + place))
    return tmp_path


def evaluate(run: Run) -> None:
    raise ValueError(f"{run.name} cannot be evaluated")


def values(root: Path, words: str = "", order: str = ORDERS[0]) -> list[str]:
    return [value for _, value in choices(find_runs(root), words=words, order=order)]


def test_runs_are_sorted_and_filtered_and_a_day_is_no_sweep(root: Path) -> None:
    assert values(root) == ["sweep: s", "2026-01-02/b", "s/a", "s/c"]
    assert values(root, order=ORDERS[1])[1:] == ["2026-01-02/b", "s/a", "s/c"]
    assert values(root, order=ORDERS[2])[1:] == ["s/a", "2026-01-02/b", "s/c"]
    assert values(root, "HEATMAP") == ["2026-01-02/b", "s/a"]
    assert values(root, "heatmap s/") == ["s/a"]
    (label,) = [label for label, _ in choices(find_runs(root), words="s/a", order=ORDERS[0])]
    assert label.startswith("s/a · ")
    assert label.endswith(", 9.00 mm")


def test_the_page_opens_with_the_newest_run_and_keeps_what_is_chosen(root: Path) -> None:
    answers = _Handlers(root, evaluate)
    assert answers.open("", ORDERS[0])[1].value == ["2026-01-02/b"]
    _, dropdown = answers.reload("regression", ORDERS[0], ["s/a", "sweep: s", "gone"])
    assert dropdown.value == ["s/a", "sweep: s"]
    assert [value for _, value in dropdown.choices] == ["s/a", "sweep: s", "s/c"]
    for path in root.glob("*/*/results.json"):
        path.unlink()
    note, dropdown = answers.open("", ORDERS[0])
    assert dropdown.value == []
    assert "No finished run" in note


def test_a_new_choice_clears_what_was_evaluated_and_said(root: Path) -> None:
    answers = _Handlers(root, evaluate)
    assert "Choose a run first." in answers.evaluate_all([])[0]
    assert "s/a cannot be evaluated" in answers.evaluate_all(["s/a"])[0]
    tables, _, metric, curves, *controls, sample = answers.compare(["s/a"])
    assert "pa_epe_mm" in tables
    assert metric.visible
    assert (curves, sample) == ("", "")
    assert [control.visible for control in controls] == [False] * 5
