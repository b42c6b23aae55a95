"""The diagnosis in the terminal and as doctor.html, one file without network or scripts."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from handpose.data.base import SPLITS
from handpose.doctor.advice import Advice
from handpose.doctor.diagnosis import Diagnosis
from handpose.doctor.findings import Finding, SourceFacts, SplitFacts
from handpose.doctor.measures import LARGE_PROJECTION_ERROR, MIN_IN_BOX, USUAL_BONE
from handpose.report.html import image_uri, render
from handpose.report.style import FINGER_COLOURS

_MAX_SHOWN = 12  # bad files in the terminal; the page has all


class Cell(NamedTuple):
    """A number as text."""

    text: str
    is_odd: bool = False  # should be checked


def split_cells(facts: SplitFacts) -> dict[str, Cell]:
    """Returns {column: its cell} of a split."""
    counts = {
        "hands": facts.hands,
        "images": facts.num_images,
        "poses": facts.poses,
        "left": facts.left,
        "2D": facts.labelled_2d,
        "3D": facts.labelled_3d,
        "camera": facts.cameras,
    }
    _, median, largest, in_box, bone = facts.measures
    low, high = USUAL_BONE
    return {name: Cell(f"{count:,}") for name, count in counts.items()} | {
        "px off": _cell(median, ".1f", is_odd=(median or 0) > LARGE_PROJECTION_ERROR),
        "max px": _cell(largest, ".1f"),
        "in box": _cell(in_box, ".0%", is_odd=in_box is not None and in_box < MIN_IN_BOX),
        "bone mm": _cell(bone, ".3g", is_odd=bone is not None and not low <= bone <= high),
    }


def _cell(value: float | None, form: str, *, is_odd: bool = False) -> Cell:
    return Cell("–" if value is None else format(value, form), is_odd)


def source_lines(source: SourceFacts) -> dict[str, str]:
    """Returns {label: text} about a source as a whole."""
    boxes = "made of the joint labels" if source.crops_by_labels else "not made of joint labels"
    lines = {
        "root": str(source.settings.get("root", "")),
        "layout": source.layout,
        "boxes": "" if source.is_fatal else boxes,
        "index": source.index_folder,
        "missing splits": ", ".join(source.missing),
        **{label: f"{count:,}" for label, count in source.counts.items()},
    }
    return {label: text for label, text in lines.items() if text}


def render_page(diagnosis: Diagnosis, *, command: str) -> str:
    """Returns doctor.html.

    Args:
        diagnosis: facts and advice.
        command: the command line, shown at the top.
    """
    return render(
        "doctor/doctor.html.jinja",
        title=" + ".join(dict.fromkeys(source.name for source in diagnosis.sources)),
        command=command,
        diagnosis=diagnosis,
        fingers=FINGER_COLOURS,
        splits=SPLITS,
        source_lines=source_lines,
        split_cells=split_cells,
        image_uri=image_uri,
    )


def print_diagnosis(diagnosis: Diagnosis, *, page: str, console: Console | None = None) -> None:
    """Prints the tables of each source, the advice and the verdict.

    Args:
        diagnosis: facts and advice.
        page: path of doctor.html.
        console: output; None for stdout.
    """
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
    for label, text in source_lines(source).items():
        console.print(f"  [dim]{escape(label)}:[/dim] {escape(text)}", soft_wrap=True)
    if source.splits:
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))  # fits into 80 columns
        table.add_column("split")
        for name in split_cells(source.splits[0]):
            table.add_column(name, justify="right")
        for facts in source.splits:
            cells = split_cells(facts).values()
            table.add_row(
                facts.split, *(f"[bold red]{c.text}[/]" if c.is_odd else c.text for c in cells)
            )
        console.print(table)
    if bad := source.findings + source.gone_bad:
        console.print(_findings_table(bad))
    console.print()


def _findings_table(findings: Sequence[Finding]) -> Table:
    more = len(findings) - _MAX_SHOWN
    table = Table(box=None, pad_edge=False, caption=f"and {more} more" if more > 0 else None)
    table.add_column("bad file or record", overflow="fold")
    table.add_column("reason", overflow="fold")
    for file, reason, is_left_out in findings[:_MAX_SHOWN]:
        table.add_row(escape(file), escape(reason) + " (left out)" * is_left_out)
    return table


def _print_advice(advice: Advice, console: Console) -> None:
    mark = "[red]✗[/red]" if advice.blocks else "[dim]·[/dim]"
    console.print(f"  {mark} {escape(advice.text)}", soft_wrap=True)
    if advice.command:
        console.print(f"      {escape(advice.command)}", soft_wrap=True, highlight=False)
