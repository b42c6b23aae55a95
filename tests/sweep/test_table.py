"""The table of a sweep, from folders as cells leave them."""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from handpose.sweep.cells import Cell, is_signal, leave_failure
from handpose.sweep.metric import value_of
from handpose.sweep.rows import counts, read_rows
from handpose.sweep.summary import Summary
from handpose.sweep.table import print_table, write_table

CONFIG = {"seed": 5, "head": {"depth": 1}, "paths": {"runs": "here"}, "evaluate": {"split": "test"}}
TIMES = {"pretrain_seconds": 60.0, "finetune_seconds": 30.5, "evaluate_seconds": 1.0}


def make_cell(
    root: Path,
    name: str,
    results: dict[str, Any] | None = None,
    overrides: tuple[str, ...] = (),
    **config: Any,
) -> Cell:
    """A cell that has been started, and has `results` where it is finished."""
    folder = root / name
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG | config))
    if results is not None:
        (folder / "results.json").write_text(json.dumps(results))
    return Cell(overrides or (f"head={name}", "seed=5"), folder, CONFIG)


@pytest.fixture
def cells(tmp_path: Path) -> list[Cell]:
    numbers = {"val_pa_epe_mm": 20.0, "pa_epe_mm": 11.7853, "epe2d_px": None}
    finished = make_cell(tmp_path, "a", {**numbers, "mean_pose_pa_epe_mm": 17.35, **TIMES})
    failed = make_cell(tmp_path, "b")
    leave_failure(failed.folder, ValueError("weights do not fit\nsecond line"))
    better = make_cell(
        tmp_path, "e", {**numbers, "val_pa_epe_mm": 19.0, "pa_epe_mm": 12.0, **TIMES}
    )
    missing = Cell(("head=d",), tmp_path / "d", CONFIG)
    return [finished, failed, make_cell(tmp_path, "c"), missing, better]


def printed(cells: list[Cell], root: Path, *, width: int = 120, metric: str | None = None) -> str:
    console = Console(record=True, width=width)
    print_table(Summary(root, read_rows(cells, metric), metric), console=console)
    return console.export_text()


def written(
    cells: list[Cell], root: Path, metric: str | None = None
) -> tuple[dict[str, Any], list[str]]:
    summary = Summary(root, read_rows(cells, metric), metric)
    write_table(summary, sweep="mine", command="python train.py -m")
    page = (root / "sweep.md").read_text()
    return json.loads((root / "sweep.json").read_text()), page.splitlines()


def test_a_row_says_what_became_of_its_cell(cells: list[Cell]) -> None:
    rows = read_rows(cells)
    statuses = ["finished", "failed", "unfinished", "unfinished", "finished"]
    assert [row.status for row in rows] == statuses
    assert [row.value for row in rows] == [20.0, None, None, None, 19.0]
    assert rows[1].reason == "weights do not fit"
    assert rows[0].seconds == pytest.approx(60 + 30.5 + 1)
    assert rows[1].seconds is None
    assert counts(rows) == {"cells": 5, "finished": 2, "failed": 1, "unfinished": 2}


def test_results_of_another_configuration_do_not_count(tmp_path: Path) -> None:
    results = {"pa_epe_mm": 1.0}
    same = make_cell(tmp_path, "same", results, paths={"runs": "elsewhere"})
    other = make_cell(tmp_path, "other", results, seed=6)
    assert [row.status for row in read_rows([same, other])] == ["finished", "unfinished"]


def test_the_best_cell_of_the_validation_split_is_first(cells: list[Cell], tmp_path: Path) -> None:
    """The other cell is better on the test split, which chooses nothing."""
    content, page = written(cells, tmp_path)
    assert [cell["cell"] for cell in content["cells"]] == ["a", "b", "c", "d", "e"]
    assert (content["best"], content["metric"]) == ("e", "val_pa_epe_mm")
    assert content["cells"][0]["results"]["pa_epe_mm"] == 11.7853
    assert content["cells"][1]["reason"] == "weights do not fit"
    head = "| cell | status | val_pa_epe (mm) ↓ | pa_epe (mm) ↓ | seconds | folder |"
    table = page[page.index(head) :]  # epe2d_px is null in every cell
    assert table[2:5] == [
        "| head=e seed=5 | best | 19 | 12 | 91.5 | e |",
        "| head=a seed=5 | finished | 20 | 11.79 | 91.5 | a |",
        "| head=b seed=5 | failed |  |  |  | b |",
    ]
    assert "| mean pose (constant) |  |  | 17.35 |  |  |" in table
    assert "- `pa_epe_mm`: Aligned 3D error (PA), mm" in page
    assert any("of the validation split (lower is better)" in line for line in page)


def test_a_metric_that_is_better_when_higher_and_cells_without_it(tmp_path: Path) -> None:
    numbers = {"a": 3.0, "b": 9.0, "c": None}
    cells = [make_cell(tmp_path, name, {"pretext_rank": n}) for name, n in numbers.items()]
    content, page = written(cells, tmp_path, "pretext_rank")
    assert content["best"] == "b"
    assert content["direction"] == "maximize"
    assert [line.split(" | ")[0] for line in page if line.startswith("| head=")] == [
        f"| head={name}" for name in "bac"
    ]
    assert any("pretext_rank ↑" in line for line in page)
    assert value_of("pretext_rank", {"pretext_rank": float("nan")}) is None


def test_seeds_are_grouped_with_mean_spread_and_number(tmp_path: Path) -> None:
    values = {("a", 1): 10.0, ("a", 2): 14.0, ("b", 1): 11.0, ("b", 2): 12.0, ("c", 1): 1.0}
    cells = [
        make_cell(tmp_path, f"{head}{seed}", {"val_pa_epe_mm": n}, (f"head={head}", f"seed={seed}"))
        for (head, seed), n in values.items()
    ]
    cells.append(Cell(("head=c", "seed=2"), tmp_path / "c2", CONFIG))
    content, page = written(cells, tmp_path)
    assert content["best"] is None  # a single seed does not choose
    groups = {own["overrides"][0]: own for own in content["groups"]}
    assert [own["is_best"] for own in content["groups"]] == [True, False, False]
    assert groups["head=a"]["mean"] == 12.0
    assert groups["head=a"]["standard_deviation"] == pytest.approx(8**0.5)
    assert groups["head=c"]["n"] == 1
    assert "| head=b | best | 11.5 ± 0.71 | 2 |" in page
    assert "| head=c |  | 1 | 1 of 2 |" in page
    assert "11.5 ± 0.71" in printed(cells, tmp_path)


def test_overrides_that_all_cells_have_are_said_once(cells: list[Cell], tmp_path: Path) -> None:
    _, page = written([cells[0], *cells[1:3]], tmp_path)
    assert any("for all: `seed=5`" in line for line in page)
    assert any(line.startswith("| head=a | best |") for line in page)


def test_the_terminal_names_every_cell_without_results(cells: list[Cell], tmp_path: Path) -> None:
    said = printed(cells, tmp_path)
    assert "b: failed: weights do not fit" in said
    assert "c: unfinished" in said
    assert "a: " not in said
    assert "2 of 5 cells finished, 1 failed, 2 unfinished" in said


def test_a_narrow_terminal_drops_numbers_and_never_the_metric(tmp_path: Path) -> None:
    names = ("val_pa_epe_mm", "pa_epe_mm", "epe2d_px", "auc_pa_50mm", "pck2d_at_20pct_of_joint_box")
    results = {name: 12.34 for name in names}
    long = tuple(f"pretrain.key_{n}=value_{n}" for n in range(8))
    cells = [
        make_cell(tmp_path, name, results, (f"head={name}", *long, f"own={name}" * 9))
        for name in ("a", "b")
    ]
    said = printed(cells, tmp_path, width=70)
    assert max(map(len, said.splitlines()[:6])) <= 70
    assert "val_pa_epe (mm)" in said
    assert "pck2d" not in said
    assert "…" not in said.partition("more columns")[0]
    assert "more columns are in sweep.md" in said
    assert "auc_pa_50mm" not in said
    assert "auc_pa_50mm" in printed(cells, tmp_path, width=200)


def test_only_a_signals_exit_code_ends_the_whole_sweep() -> None:
    assert is_signal(143)
    assert not any(is_signal(code) for code in (None, 1, "in use by a live run"))
