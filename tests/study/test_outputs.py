"""What a study says: its numbers, its tables, its page, whole or in part."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rich.console import Console

from handpose.study.comparisons import Findings, collect
from handpose.study.multiruns import unfinished
from handpose.study.outputs import _page, as_markdown, print_findings, verdict, write_outputs
from handpose.study.result_tables import StudyTables
from handpose.study.run_grid import Cell, RunGrid
from handpose.study.status import Status
from handpose.study.study_file import parse_study
from handpose.study.study_keys import Place


@pytest.fixture
def findings(full: Status) -> Findings:
    return collect(full, unfinished(full, {}))


def write(findings: Findings, folder: Path, content: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The page and study.json."""
    page = write_outputs(folder, findings, plan=content)
    return page.read_text(), json.loads((folder / "study.json").read_text())


def test_numbers_are_those_of_the_runs(findings: Findings) -> None:
    """The fixture's values by hand: 12 + seed / 10, less 2 + seed / 100 for one arm and part."""
    means = {(arm, at.fraction): one.mean for (at, arm), one in findings.means.items()}
    assert means == pytest.approx(
        {
            ("none", 0.05): 13.5,
            ("none", 1.0): 13.5,
            ("contrastive", 0.05): 13.5 - 2.15,
            ("contrastive", 1.0): 13.5,
        }
    )
    (pair, few), (_, all_of_them) = findings.comparisons.items()
    assert pair == (Place(None, "regression", 0.05), "contrastive", "none")
    # -2.05, -2.15, -2.25: s = 0.1, t(0.975, 2) = 4.302653.
    assert few.difference.estimate.mean == pytest.approx(-2.15)
    assert few.difference.estimate.half == pytest.approx(4.302653 * 0.1 / 3**0.5, abs=1e-6)
    assert few.difference.p is not None
    assert few.p_holm == pytest.approx(2 * few.difference.p)
    # Equal to the last bit: there is nothing to test.
    assert all_of_them.difference.p is all_of_them.p_holm is None
    assert all_of_them.difference.estimate.reason == "all 3 seeds have the same value"


def test_cost_counts_what_each_arm_ran(findings: Findings) -> None:
    costs = findings.costs
    assert costs["none"].pretraining is None
    assert costs["contrastive"].pretraining == 60
    assert costs["none"].finetuning == costs["contrastive"].finetuning == 30
    assert costs["none"].total == (4 + 6) * 30
    assert costs["contrastive"].total == 4 * 60 + (4 + 6) * 30


def test_the_page_holds_every_value_and_needs_nothing_else(
    findings: Findings, tmp_path: Path, content: dict[str, Any]
) -> None:
    page, _ = write(findings, tmp_path, content)
    for value in findings.values.values():
        assert f'<data value="{value.value}">{value.value:.2f}</data>' in page
    assert content["question"] in page
    assert page.count("data:image/") == 4
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "<script" not in page
    assert "seed 1005" in page
    assert "finetune.max_epochs=16 optimizer.lr=1.0e-4" in page
    assert "python train.py -m" in page
    for name in ("overview", "metric_by_labels", "differences", "seeds"):
        assert cv2.imread(str(tmp_path / f"{name}.png")).std() > 5


def test_what_users_write_is_escaped(
    findings: Findings, tmp_path: Path, content: dict[str, Any]
) -> None:
    odd = findings._replace(study=parse_study(content | {"question": "a <b> & c?"}))
    page, _ = write(odd, tmp_path, content)
    assert "a &lt;b&gt; &amp; c?" in page
    assert "<b> &" not in page


def test_json_holds_all_of_it_with_reasons_for_nulls(
    findings: Findings, tmp_path: Path, content: dict[str, Any]
) -> None:
    _, found = write(findings, tmp_path, content)
    assert len(found["values"]) == 12
    assert {record["seed"] for record in found["values"]} == {5, 15, 25}
    assert found["comparisons"][1]["difference"]["estimate"]["low"] is None
    assert found["comparisons"][1]["difference"]["estimate"]["reason"]
    assert sum(score["is_chosen"] for score in found["scores"]) == 4
    assert found["finished"] == {"pretrain": [4, 4], "tune": [8, 8], "runs": [12, 12]}
    assert found["plan"] == content
    assert found["families_of_holm"] == {"primary": 0, "other": 2}


def test_markdown_is_ready_for_a_readme(findings: Findings) -> None:
    lines = as_markdown(findings).splitlines()
    rows = {line.split("|")[1].strip(): line for line in lines if line.startswith("|")}
    assert rows["arm"] == "| arm | 5 % | 100 % |"
    assert rows["`contrastive`"] == (
        "| `contrastive` | **11.35 ± 2.24** (−15.9 %, p = 0.001) | **13.50 ± 2.48** (+0.0 %) |"
    )
    assert rows["`mean pose`"] == "| `mean pose` | 17.00 | 17.00 |"
    assert len({line.count("|") for line in rows.values()}) == 1
    assert "(`pa_epe_mm`, head=regression)" in as_markdown(findings)


def test_the_verdict_names_what_differs_and_which_way(
    findings: Findings, content: dict[str, Any]
) -> None:
    text = verdict(findings)
    assert text.startswith("1 of 2 comparisons differs at 5 % after Holm’s correction.")
    assert "contrastive is better than none on 5 % (−15.9 %)." in text
    assert text.endswith("1 cannot be tested yet.")
    higher = findings._replace(study=parse_study(content | {"better": "higher"}))
    assert "contrastive is worse than none" in verdict(higher)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "a model\nabove it has learned nothing"),
        ({"better": "higher"}, "a model\nbelow it has learned nothing"),
        ({"constant": None}, None),
    ],
)
def test_the_line_of_the_constant_is_explained_where_it_is(
    findings: Findings, content: dict[str, Any], changes: dict[str, Any], said: str | None
) -> None:
    study = parse_study(content | changes)
    png = cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes()
    text = _page(findings._replace(study=study), {"metric_by_labels": png}, content)
    assert ("dashed" in text) == (said is not None)
    assert said is None or said in text


def test_a_study_in_part_says_how_much(
    full: Status, tmp_path: Path, content: dict[str, Any]
) -> None:
    gone = [("contrastive", 0.05, 15), *(("none", 1.0, seed) for seed in (5, 15, 25))]
    for arm, part, seed in gone:
        folder = tmp_path / f"runs/{arm}/regression/labels-{part}/seed-{seed}"
        (folder / "results.json").unlink()
    findings = collect(full, unfinished(full, {}))
    page, found = write(findings, tmp_path, content)
    assert "8 of 12 final runs finished" in page
    assert "Not finished: 4" in page
    rows = StudyTables(findings, None, "regression").means().rows
    table = dict(rows)
    assert table["none"][1].text == "–"
    assert table["contrastive"][0].note == "2 of 3 seeds"
    few, gone_by_half = found["comparisons"]
    assert few["difference"]["estimate"]["n"] == 2
    assert gone_by_half["difference"]["estimate"]["reason"] == "no seed has it"
    assert few["p_holm"] == pytest.approx(2 * few["difference"]["p"])  # the family stays
    assert "NaN" not in json.dumps(found)


def test_one_seed_has_a_mean_and_no_interval(
    content: dict[str, Any], tmp_path: Path, finish: Callable[..., None]
) -> None:
    progress = Status(RunGrid(parse_study(content | {"seeds": [5], "tune": None})), tmp_path)
    finish(*progress.cells("pretrain"), *progress.cells("runs"))
    findings = collect(progress, [])
    _, found = write(findings, tmp_path, content)
    assert found["means"][0]["estimate"]["mean"] == 12.0
    assert found["means"][0]["estimate"]["reason"] == "1 seed: an interval takes two"
    assert verdict(findings).startswith("No comparison can be tested yet")


def test_a_study_without_any_run_has_a_page(content: dict[str, Any], tmp_path: Path) -> None:
    progress = Status(RunGrid(parse_study(content)), tmp_path)
    page, found = write(collect(progress, unfinished(progress, {})), tmp_path, content)
    assert found["values"] == []
    assert "0 of 12 final runs finished" in page
    assert "data:image" not in page


def test_a_number_that_does_not_apply_keeps_its_reason(
    full: Status, finish: Callable[..., None], tmp_path: Path, content: dict[str, Any]
) -> None:
    cell = Cell("runs", "none", 5, "regression", 1.0)
    finish(cell, pa_epe_mm=None, pa_epe_mm_reason="no sample has labels in 3D")
    findings = collect(full, [])
    page, found = write(findings, tmp_path, content)
    assert findings.values[Place(None, "regression", 1.0), "none", 5].value is None
    assert "none, regression, 100 %, seed 5: no sample has labels in 3D" in page
    assert found["comparisons"][1]["difference"]["estimate"]["n"] == 2


def test_the_terminal_has_the_tables_and_what_is_missing(full: Status, tmp_path: Path) -> None:
    (tmp_path / "runs/none/regression/labels-1.0/seed-5/results.json").unlink()
    console = Console(width=100, record=True)
    findings = collect(full, unfinished(full, {"runs/none/regression/labels-1.0/seed-5": "died"}))
    print_findings(findings, page=tmp_path / "study.html", console=console)
    text = console.export_text()
    assert "Aligned 3D error (PA), mm (pa_epe_mm, head=regression)" in text
    assert "11.35 ± 2.24 (−15.9 %, p = 0.001)" in text
    assert "runs/none/regression/labels-1.0/seed-5: died" in text
    assert "11 of 12 final runs finished" in text


def test_figures_show_the_numbers(
    full: Status, finish: Callable[..., None], tmp_path: Path, content: dict[str, Any]
) -> None:
    """Another value gives another picture; the same values the same."""
    write(collect(full, []), tmp_path / "first", content)
    write(collect(full, []), tmp_path / "again", content)
    finish(Cell("runs", "none", 5, "regression", 1.0), pa_epe_mm=14.0)
    write(collect(full, []), tmp_path / "other", content)
    for name in ("overview", "metric_by_labels", "differences", "seeds"):
        first, again, other = (
            cv2.imread(str(tmp_path / run / f"{name}.png")) for run in ("first", "again", "other")
        )
        assert np.array_equal(first, again)
        assert first.shape != other.shape or not np.array_equal(first, other)
