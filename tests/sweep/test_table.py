"""The table of a sweep, from folders as cells leave them."""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from handpose.sweep.cells import Cell, is_signal, leave_failure
from handpose.sweep.table import counts, print_table, read_rows, write_table

CONFIG = {"seed": 5, "head": {"depth": 1}, "paths": {"runs": "here"}}


def make_cell(root: Path, name: str, results: dict[str, Any] | None = None, **config: Any) -> Cell:
    """A cell that has been started, and has `results` where it is finished."""
    folder = root / name
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG | config))
    if results is not None:
        (folder / "results.json").write_text(json.dumps(results))
    return Cell((f"head={name}", "seed=5"), folder, CONFIG)


@pytest.fixture
def cells(tmp_path: Path) -> list[Cell]:
    times = {"pretrain_seconds": 60.0, "finetune_seconds": 30.5, "evaluate_seconds": 1.0}
    finished = make_cell(tmp_path, "a", {"pa_epe_mm": 11.7853, "epe2d_px": None, **times})
    failed = make_cell(tmp_path, "b")
    leave_failure(failed.folder, ValueError("weights do not fit\nsecond line"))
    return [finished, failed, make_cell(tmp_path, "c"), Cell(("head=d",), tmp_path / "d", CONFIG)]


def test_a_row_says_what_became_of_its_cell(cells: list[Cell]) -> None:
    rows = read_rows(cells)
    assert [row.status for row in rows] == ["finished", "failed", "unfinished", "unfinished"]
    assert rows[1].reason == "weights do not fit"
    assert rows[0].seconds == pytest.approx(60 + 30.5 + 1)
    assert rows[1].seconds is None
    assert counts(rows) == {"cells": 4, "finished": 1, "failed": 1, "unfinished": 2}


def test_results_of_another_configuration_do_not_count(tmp_path: Path) -> None:
    results = {"pa_epe_mm": 1.0}
    same = make_cell(tmp_path, "same", results, paths={"runs": "elsewhere"})
    other = make_cell(tmp_path, "other", results, seed=6)
    assert [row.status for row in read_rows([same, other])] == ["finished", "unfinished"]


def test_what_is_written_reads_back(cells: list[Cell], tmp_path: Path) -> None:
    rows = read_rows(cells)
    write_table(tmp_path, rows, sweep="mine", command="python train.py -m")
    written = json.loads((tmp_path / "sweep.json").read_text())
    assert [cell["cell"] for cell in written["cells"]] == ["a", "b", "c", "d"]
    assert written["cells"][0]["results"]["pa_epe_mm"] == 11.7853
    assert written["cells"][1]["reason"] == "weights do not fit"
    page = (tmp_path / "sweep.md").read_text()
    head = "| cell | status | pa_epe_mm | seconds | folder |"  # epe2d_px is null in every cell
    assert head in page
    assert "| head=a seed=5 | finished | 11.79 | 91.5 | a |" in page
    assert "| head=b seed=5 | failed |  |  | b |" in page


def test_overrides_that_all_cells_have_are_said_once(cells: list[Cell], tmp_path: Path) -> None:
    write_table(tmp_path, read_rows(cells[:3]), sweep="mine", command="")
    page = (tmp_path / "sweep.md").read_text()
    assert "for all: `seed=5`" in page
    assert "| head=a | finished |" in page


def test_the_terminal_names_every_cell_without_results(cells: list[Cell], tmp_path: Path) -> None:
    console = Console(record=True, width=100)
    print_table(tmp_path, read_rows(cells), console=console)
    said = console.export_text()
    assert "b: failed: weights do not fit" in said
    assert "c: unfinished" in said
    assert "a: " not in said
    assert "1 of 4 cells finished, 1 failed, 2 unfinished" in said


def test_only_a_signals_exit_code_ends_the_whole_sweep() -> None:
    assert is_signal(143)
    assert not any(is_signal(code) for code in (None, 1, "in use by a live run"))
