"""The tables of lab_to_wild in the documentation are those of the raw results beside it.

The prose and the figure are not checked.
"""

from pathlib import Path

import pytest

from handpose.study.command import DEFINITIONS
from handpose.study.comparisons import Findings, collect
from handpose.study.planned_runs import load_study
from handpose.study.result_tables import percent_change
from handpose.study.run_grid import RunGrid
from handpose.study.stored_results import StoredStatus, load
from handpose.study.study_file import parse_study
from handpose.study.study_keys import Place

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "guide" / "invariance_or_equivariance.md"
# The columns of the tables.
PLACES = (
    Place("across", "heatmap", 0.05),
    Place("across_adapted", "heatmap", 0.05),
    Place("within", "heatmap", 0.05),
    Place("across_regression", "regression", 0.05),
    Place("within_regression", "regression", 0.05),
)


@pytest.fixture(scope="module")
def findings() -> Findings:
    study = parse_study(load_study("lab_to_wild", DEFINITIONS))
    stored = load([ROOT / "docs" / "study_results.json"], name=study.name)
    status = StoredStatus(RunGrid(study), Path("nowhere"), records=stored.records)
    status.find_changed()
    assert not status.changed, "the study's file has other settings than the runs"
    return collect(status, [], day=stored.day)


def _mean(findings: Findings, place: Place, arm: str) -> str:
    """ "14.71 ± 0.15 (−1.3 %)", as in the tables."""
    own, base = findings.means[place, arm], findings.study.baseline
    if own.mean is None:
        return "–"
    text = f"{own.mean:.2f} ± {own.half:.2f}"
    if arm == base:
        return text
    return f"{text} ({percent_change(findings.comparisons[place, arm, base].difference.percent)})"


def _difference(
    findings: Findings, place: Place, arm: str = "relative", other: str = "contrastive"
) -> str:
    found = findings.comparisons[place, arm, other]
    mean, low, high = found.difference.estimate[1:4]
    return f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]".replace("-", "−")


def _rows(path: Path, start: str) -> dict[str, list[str]]:
    """First cell -> the others, of the table behind a text, without bold type."""
    text = path.read_text().partition(start)[2]
    table = text[text.index("\n|") + 1 : text.index("\n\n", text.index("\n|"))]
    cells = [line.replace("*", "").strip("| ").split(" | ") for line in table.splitlines()[2:]]
    return {name: values for name, *values in cells}


def test_the_table_of_the_page(findings: Findings) -> None:
    rows = _rows(PAGE, "`pa_epe_mm` on 2,000")
    for arm in findings.study.arms:
        assert rows.pop(f"`{arm}`") == [_mean(findings, place, arm) for place in PLACES]
    assert rows.pop("`relative` − `contrastive`") == [_difference(findings, p) for p in PLACES]
    assert not rows


def test_the_table_of_the_readme(findings: Findings) -> None:
    path = ROOT / "README.md"
    rows = _rows(path, "`handpose study lab_to_wild`")
    for arm in findings.study.arms:
        places = [place for place in PLACES if place.condition != "across_adapted"]
        shown = [_mean(findings, place, arm).partition(" (")[0] for place in places]
        assert rows.pop(f"`{arm}`") == shown
    assert not rows
    assert _difference(findings, PLACES[0]) in path.read_text().replace(" mm", "")


def test_the_comparisons_of_the_primary_endpoint(findings: Findings) -> None:
    rows = _rows(PAGE, "The eight comparisons")
    pairs = findings.study.pairs_of("across")
    assert len(pairs) == len(findings.family(is_primary=True)) == 8
    for arm, other in pairs:
        found = findings.comparisons[PLACES[0], arm, other]
        assert rows.pop(f"`{arm}` − `{other}`") == [
            _difference(findings, PLACES[0], arm, other),
            percent_change(found.difference.percent),
            f"{found.difference.p:.4f}",
            f"{found.p_holm:.3f}",
        ]
        assert found.difference.estimate.n == len(findings.study.seeds)
    assert not rows


def test_p_in_the_text(findings: Findings) -> None:
    every = findings.comparisons
    invariance, none = (every[PLACES[0], "relative", arm] for arm in ("contrastive", "none"))
    page = " ".join(PAGE.read_text().split())
    for text in (page, (ROOT / "README.md").read_text()):
        assert f"p = {invariance.p_holm:.3f}" in text
    assert f"p = {none.difference.p:.3f} alone and {none.p_holm:.3f} corrected" in page
