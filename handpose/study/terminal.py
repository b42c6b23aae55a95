"""A study's last lines in the terminal."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from handpose.study import tables
from handpose.study.collect import Findings
from handpose.study.tables import Table
from handpose.study.wording import metric_words, progress_text, verdict

_SHOWN = 20  # unfinished runs; the page has them all


def print_findings(findings: Findings, *, page: Path, console: Console | None = None) -> None:
    """The tables of each head, what is not finished, the verdict, and where the page lies."""
    console = console or Console()
    title = metric_words(findings.study.metric).title
    for head in findings.study.heads:
        console.print(f"\n[bold]{escape(title)}[/bold], head={escape(head)}")
        console.print(_rich(tables.means(findings, head)))
        console.print("\nPaired by seed: difference, 95 % interval, p after Holm")
        console.print(_rich(tables.differences(findings, head)))
    for failure in findings.unfinished[:_SHOWN]:
        console.print(f"[red]{escape(failure.folder)}[/red]: {escape(failure.reason)}")
    if len(findings.unfinished) > _SHOWN:
        console.print(f"… and {len(findings.unfinished) - _SHOWN} more that are not finished")
    console.print(f"[bold]{escape(verdict(findings))}[/bold]")
    console.print(
        f"{progress_text(findings)}. Page: [bold]{escape(str(page))}[/bold]", soft_wrap=True
    )


def _rich(table: Table) -> RichTable:
    drawn = RichTable(box=None, pad_edge=False)
    for place, name in enumerate(table.head):
        drawn.add_column(escape(name), justify="right" if place else "left")
    for name, entries in table.rows:
        texts = (escape(entry.text) for entry in entries)
        bold = (
            f"[bold]{t}[/bold]" if e.is_main else t for t, e in zip(texts, entries, strict=True)
        )
        drawn.add_row(escape(name), *bold)
    return drawn
