"""The results of a run as a table in the terminal."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from handpose.evaluation.evaluation import Results
from handpose.report.choices import CAPPED
from handpose.report.rows import Cell, PretextRow, Row, metric_rows, pretext_rows, shown

NO_HEAD = "head=none: the run stops after pre-training"  # reason of every pose metric then
_MAIN = 3  # rows before the gap
_WIDTH = 110  # columns, without a terminal


def print_results(
    results: Results, *, run_dir: Path, is_capped: bool = False, console: Console | None = None
) -> None:
    """Prints every metric beside its median and the mean pose's, and the path of the report.

    Args:
        results: as in results.json.
        run_dir: folder of the report.
        is_capped: whether `trainer.caps` limited the run.
        console: printed on.
    """
    console = console or _console()
    rows = metric_rows(results)
    known = [row for row in rows if row.mean.value is not None]
    if known:
        console.print(_table(known, split=str(results.get("split", "test"))))
    if pretext := pretext_rows(results):
        console.print(_pretext_table(pretext))
    missing: dict[str, list[str]] = {}
    for row in rows[len(known) :]:
        missing.setdefault(row.mean.reason, []).append(row.words.label)
    for reason, labels in missing.items():
        line = f"Not measured: {'; '.join(labels)}: {reason}"
        line = "No head: no pose metrics" if reason == NO_HEAD else line
        console.print(f"[dim]{escape(line)}[/dim]", soft_wrap=True)
    for stage, words in (("pretrain", "Pre-training"), ("finetune", "Fine-tuning")):
        if stopped := results.get(f"{stage}_stopped"):
            console.print(escape(f"{words} stopped {stopped}"), soft_wrap=True)
    if is_capped:
        console.print(f"[bold]{CAPPED}[/bold]", soft_wrap=True)
    report = run_dir / "report.html"
    written = f"Report: [bold]{escape(str(report))}[/bold]" if report.exists() else str(run_dir)
    console.print(written, soft_wrap=True)


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH)


def _new_table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)


def _table(rows: list[Row], *, split: str) -> Table:
    table = _new_table(f"Results on the {split} split")
    table.add_column("", overflow="fold")
    for name in ("mean", "median", "mean pose"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("ratio")
    table.add_column("hands", justify="right", style="dim")
    for place, row in enumerate(rows, start=1):
        unit = row.words.unit
        numbers = (_number(cell, unit) for cell in (row.median, row.mean_pose))
        mean = f"[bold]{_number(row.mean, unit)}[/bold]"
        table.add_row(row.words.label, mean, *numbers, _ratio(row), _number(row.hands, ""))
        if place == _MAIN < len(rows):
            table.add_row()
    return table


def _ratio(row: Row) -> str:
    if row.ratio is None:
        return ""
    worse = " [bold red]worse[/bold red]" if row.is_worse_than_mean_pose else ""
    return f"×{row.ratio:.2f}{worse}"


def _pretext_table(rows: list[PretextRow]) -> Table:
    table = _new_table("Held-out pairs")
    table.add_column("pre-training")
    for name in rows[0].columns:
        table.add_column(name, justify="right")
    for row in rows:
        values = row.columns.values()
        table.add_row(row.words.title, *("" if v is None else shown(v) for v in values))
    return table


def _number(cell: Cell | None, unit: str) -> str:
    if cell is None or cell.value is None:
        return ""
    return f"{shown(cell.value, unit=unit)} {unit}".strip()
