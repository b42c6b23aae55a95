"""The table and the figure that show a study at one glance."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from handpose.study import overview_figure
from handpose.study.comparisons import Findings, collect
from handpose.study.outputs import as_markdown
from handpose.study.overview_figure import draw_overview, shown_places
from handpose.study.overview_table import overview_table, pairs_table
from handpose.study.run_grid import Cell, RunGrid
from handpose.study.status import Status
from handpose.study.study_file import Study, parse_study
from handpose.study.verdict import families_text, verdict

GAINS = {"none": 0.0, "contrastive": 1.0, "relative": 2.0}


@pytest.fixture
def compared(used_content: dict[str, Any]) -> Study:
    """Three arms, of which two are compared with each other as well."""
    used_content["pretrain"]["arms"]["relative"] = ["objective=relative"]
    return parse_study(used_content | {"compare": [["relative", "contrastive"]]})


@pytest.fixture
def status(compared: Study, finish: Callable[..., None], tmp_path: Path) -> Status:
    """All finished: an arm is better by its gain and seed / 100."""
    status = Status(RunGrid(compared), tmp_path)
    finish(*status.cells("pretrain"))
    for cell in status.cells("runs"):
        gain = GAINS[cell.arm] * (1 + cell.seed / 100)
        finish(cell, pa_epe_mm=12 + cell.seed / 10 - gain)
    return status


@pytest.fixture
def findings(status: Status) -> Findings:
    return collect(status, [])


def test_one_table_has_every_arm_of_every_condition(findings: Findings) -> None:
    table = overview_table(findings)
    assert table.head == ("condition, head", "arm", "5 %", "100 %")
    labels = [name for name, _ in table.rows if name]
    expected = [f"across, {head}" for head in ("regression", "heatmap")] + ["within, heatmap"]
    assert labels == [*expected, "frozen, regression", "frozen, heatmap"]
    # `frozen` has one arm; each group ends with the mean pose.
    assert [entries[0].text for _, entries in table.rows] == [
        *(*GAINS, "mean pose") * 3,
        *("none", "mean pose") * 2,
    ]
    assert {len(entries) for _, entries in table.rows} == {3}
    _, *entries = table.rows[10][1]  # relative within
    assert entries[1].text == "–"


def test_an_entry_has_the_change_and_the_corrected_p(findings: Findings) -> None:
    """Of relative: -2.1, -2.3, -2.5 of 13.5; s = 0.2."""
    rows = {tuple(entry.text for entry in e[:1]): e for _, e in overview_table(findings).rows[4:7]}
    entry = rows["relative",][1]
    assert entry.text.startswith("11.20 ± ")
    assert entry.is_main
    assert entry.note.startswith("−17.0 %, p = 0.00")
    assert entry.note.endswith(" ◆")
    assert "◆" not in rows["relative",][2].note
    assert rows["none",][1].note == ""


def test_a_missing_pair_is_counted(status: Status, tmp_path: Path) -> None:
    gone = Cell("runs", "relative", 15, "heatmap", 0.05, condition="across")
    (tmp_path / gone.folder / "results.json").unlink()
    found = overview_table(collect(status, []))
    entry = next(e for _, e in found.rows[4:] if e[0].text == "relative")[1]
    assert entry.note.endswith("2 of 3 pairs ◆, 2 of 3 seeds")


def test_further_pairs_have_a_table(findings: Findings) -> None:
    table = pairs_table(findings)
    assert [name for name, _ in table.rows] == [
        "across, regression",
        "across, heatmap",
        "within, heatmap",
    ]
    pair, few, _ = table.rows[1][1]
    assert (pair.text, few.text) == ("relative − contrastive", "−1.15")
    assert few.note.startswith("[−1.40, −0.90], p = 0.00")
    assert "`relative − contrastive`" in as_markdown(findings)


def test_the_two_families_are_stated(findings: Findings) -> None:
    place = "across, heatmap, 5 %"
    said = f"the 3 comparisons of the primary endpoint (◆ {place}), and the 12 others."
    assert families_text(findings).endswith(said)
    text = verdict(findings)
    assert text.startswith(f"Primary endpoint ({place}): 3 of 3 comparisons differ")
    claims = "Better than none: relative (−17.0 %), contrastive (−8.5 %). Better than contrastive:"
    assert claims in text
    assert "12 other comparisons" in text


def test_the_figure_has_a_panel_per_condition_and_head(compared: Study, study: Study) -> None:
    primary = compared.primary
    assert primary is not None
    rows = shown_places(compared)
    assert [[(at.condition, at.head) for at in row] for row in rows] == [
        [("across", "regression"), ("frozen", "regression")],
        [("across", "heatmap"), ("within", "heatmap"), ("frozen", "heatmap")],
    ]
    assert {at.fraction for row in rows for at in row} == {primary.fraction}
    # Without conditions: a panel per fraction.
    assert [[at.fraction for at in row] for row in shown_places(study)] == [[0.05, 1.0]]


def test_a_condition_without_the_fraction_shows_its_nearest(used_content: dict[str, Any]) -> None:
    used_content["conditions"]["frozen"]["fractions"] = [1.0]
    rows = shown_places(parse_study(used_content))
    assert {at.fraction for row in rows for at in row if at.condition == "frozen"} == {1.0}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Callable[[Findings], Figure]:
    """Returns the figure of findings, before it becomes a PNG."""
    kept: list[Figure] = []
    monkeypatch.setattr(overview_figure, "to_png", lambda figure: kept.append(figure) or b"")

    def draw(findings: Findings) -> Figure:
        draw_overview(findings)
        return kept.pop()

    return draw


def test_a_place_without_results_has_no_panel(
    status: Status, drawn: Callable[[Findings], Figure], tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "runs" / "within")
    titles = [axes.get_title("left") for axes in drawn(collect(status, [])).axes]
    assert len(titles) == 4
    assert not any("within" in title for title in titles)


def test_a_row_has_three_panels_at_most(
    used_content: dict[str, Any],
    finish: Callable[..., None],
    drawn: Callable[[Findings], Figure],
    tmp_path: Path,
) -> None:
    """Not one narrow panel for each of five conditions."""
    used_content["conditions"] |= {name: {"heads": ["heatmap"]} for name in ("more", "most")}
    status = Status(RunGrid(parse_study(used_content)), tmp_path)
    finish(*status.cells("pretrain"), *status.cells("runs"))
    axes = drawn(collect(status, [])).axes
    assert len(axes) == 2 + 5
    assert {one.get_subplotspec().get_gridspec().get_geometry() for one in axes} == {(3, 3)}


def test_the_figure_draws_the_numbers(
    findings: Findings, drawn: Callable[[Findings], Figure]
) -> None:
    """Read back from the figure: the points, intervals, texts and the line of the mean pose."""
    figure = drawn(findings)
    panel = next(axes for axes in figure.axes if axes.get_title("left").startswith("◆"))
    assert panel.get_title("left") == "◆ across, heatmap, 5 %\nnone: 13.50 mm"
    points = [np.ravel(line.get_xdata()) for line in panel.lines if line.get_marker() == "o"]
    assert [float(x[0]) for x in points] == pytest.approx([-100 * 1.15 / 13.5, -100 * 2.3 / 13.5])
    half = 4.302653 * 0.2 / 3**0.5
    low, high = next(
        np.ravel(line.get_xdata()) for line in panel.lines if line.get_linewidth() == 1.8
    )
    assert (high - low) / 2 == pytest.approx(100 * half / 2 / 13.5, rel=1e-5)
    texts = [text.get_text() for text in panel.texts]
    assert "−2.30 (−17.0 %)" in texts
    assert any("mean pose" in text for text in texts)
    (above,) = panel.child_axes
    assert above.get_xlabel() == "mm"
    last = [axes for axes in figure.axes if "frozen" in axes.get_title("left")][-1]
    assert [text.get_text() for text in last.texts].count("not planned") == 2


def test_another_value_gives_another_figure(status: Status, finish: Callable[..., None]) -> None:
    first, again = (draw_overview(collect(status, [])) for _ in range(2))
    assert first == again
    image = cv2.imdecode(np.frombuffer(first, np.uint8), cv2.IMREAD_COLOR)
    assert image.std() > 5
    finish(Cell("runs", "relative", 15, "heatmap", 0.05, condition="across"), pa_epe_mm=14.0)
    assert draw_overview(collect(status, [])) != first
