"""The diagnosis in the terminal."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from handpose.doctor.advice import Advice
from handpose.doctor.cells import Cell, source_lines, split_cells
from handpose.doctor.diagnosis import Diagnosis
from handpose.doctor.findings import Finding, SourceFacts

_SHOWN = 12  # bad files; the page has them all


def print_diagnosis(diagnosis: Diagnosis, *, page: str, console: Console | None = None) -> None:
    """The tables of each source, the advice and the verdict. `page` is where the rest lies."""
    console = console or Console()
    for source in diagnosis.sources:
        _print_source(source, console)
    if diagnosis.advice:
        console.print("[bold]What to do[/bold]")
    for advice in diagnosis.advice:
        _print_advice(advice, console)
    colour = "green" if diagnosis.is_ready else "red"
    console.print(f"\n[bold {colour}]{diagnosis.verdict}[/bold {colour}]")
    console.print(f"Samples and all bad files: [bold]{escape(page)}[/bold]", soft_wrap=True)


def _print_source(source: SourceFacts, console: Console) -> None:
    console.print(f"[bold]{escape(source.name)}[/bold]")
    for what, text in source_lines(source).items():
        console.print(f"  [dim]{escape(what)}:[/dim] {escape(text)}", soft_wrap=True)
    if source.splits:
        console.print(_splits_table(source))
    if bad := source.findings + source.gone_bad:
        console.print(_findings_table(bad))
    console.print()


def _splits_table(source: SourceFacts) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))  # 80 columns hold it
    table.add_column("split")
    for name in split_cells(source.splits[0]):
        table.add_column(name, justify="right")
    for facts in source.splits:
        table.add_row(facts.split, *map(_number, split_cells(facts).values()))
    return table


def _number(cell: Cell) -> str:
    return f"[bold red]{escape(cell.text)}[/bold red]" if cell.is_odd else escape(cell.text)


def _findings_table(findings: tuple[Finding, ...]) -> Table:
    more = len(findings) - _SHOWN
    table = Table(box=None, pad_edge=False, caption=f"and {more} more" if more > 0 else None)
    table.add_column("bad file or record", overflow="fold")
    table.add_column("reason", overflow="fold")
    for finding in findings[:_SHOWN]:
        left_out = " [dim](left out)[/dim]" if finding.is_left_out else ""
        table.add_row(escape(finding.file), escape(finding.reason) + left_out)
    return table


def _print_advice(advice: Advice, console: Console) -> None:
    mark = "[red]✗[/red]" if advice.blocks else "[dim]·[/dim]"
    console.print(f"  {mark} {escape(advice.text)}", soft_wrap=True)
    if advice.command:
        console.print(f"      {escape(advice.command)}", soft_wrap=True, highlight=False)
