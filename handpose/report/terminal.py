"""The last lines of a run: its results as a table in the terminal."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from handpose.evaluate import Results
from handpose.report.pretext import COLUMNS, PretextRow, pretext_rows
from handpose.report.rows import Cell, Row, metric_rows, shown


def print_results(results: Results, *, run_dir: Path, console: Console | None = None) -> None:
    """Every metric beside its median and the mean pose's, and where the report lies."""
    console = console or Console()
    rows = metric_rows(results)
    if any(row.mean.value is not None for row in rows):
        console.print(_table(rows, split=str(results.get("split", "test"))))
    if pretext := pretext_rows(results):
        console.print(_pretext_table(pretext))
    for reason, names in _reasons(rows).items():
        console.print(f"[dim]n/a: {', '.join(names)}: {escape(reason)}[/dim]", soft_wrap=True)
    report = run_dir / "report.html"
    written = f"Report: [bold]{escape(str(report))}[/bold]" if report.exists() else str(run_dir)
    console.print(written, soft_wrap=True)


def _table(rows: list[Row], *, split: str) -> Table:
    title = f"Results on the {split} split"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("metric", overflow="fold")
    for name in ("mean", "median", "mean pose", "ratio"):
        table.add_column(name, justify="right")
    table.add_column("unit", style="dim")
    table.add_column("hands", justify="right", style="dim")
    for row in rows:
        if row.mean.value is not None:
            ratio = "" if row.ratio is None else f"×{row.ratio:.2f}"
            numbers = (_number(cell, row.unit) for cell in (row.median, row.mean_pose))
            table.add_row(
                row.mean.key,
                f"[bold]{_number(row.mean, row.unit)}[/bold]",
                *numbers,
                ratio,
                row.unit,
                _number(row.hands, ""),
            )
    return table


def _pretext_table(rows: list[PretextRow]) -> Table:
    table = Table(
        title="Held-out pairs", title_justify="left", title_style="bold", box=None, pad_edge=False
    )
    table.add_column("pre-training")
    for name in COLUMNS:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(row.key, *("" if v is None else shown(v) for v in row.values))
    return table


def _number(cell: Cell | None, unit: str) -> str:
    return "" if cell is None else shown(cell.value, unit=unit)


def _reasons(rows: list[Row]) -> dict[str, list[str]]:
    """The nulls by their reason."""
    found: dict[str, list[str]] = {}
    for row in rows:
        for cell in row.cells.values():
            if cell.value is None:
                found.setdefault(cell.reason, []).append(cell.key)
    return found
