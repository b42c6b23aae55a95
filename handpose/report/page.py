"""report.html: one file that needs nothing else, neither network nor scripts."""

import os
import tempfile
from datetime import date
from html import escape
from pathlib import Path

from handpose.report.captions import SECTIONS, Figure
from handpose.report.choices import essence, part_name
from handpose.report.figures import make_figures
from handpose.report.html import figure
from handpose.report.inputs import ReportInput
from handpose.report.samples import images_to_draw, samples_to_draw
from handpose.report.sections import what_came_of_it, what_was_run
from handpose.report.stylesheet import STYLESHEET

__all__ = ["ReportInput", "images_to_draw", "make_figures", "samples_to_draw", "write_report"]


def write_report(path: Path, report: ReportInput, figures: dict[str, bytes]) -> None:
    """Writes the page to `path`; a reader finds the old page or the new one, never half of one."""
    page = _page(report, figures).encode()
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".html", delete=False) as file:
        try:
            file.write(page)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).chmod(0o644)
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _page(report: ReportInput, figures: dict[str, bytes]) -> str:
    title, numbers = essence(report.config), "results.json, all curves in metrics.csv"
    if report.evaluated_on:
        title += f", evaluated on {report.evaluated_on}"
        numbers = f"evaluation-{report.evaluated_on}.json"
    sections = "".join(_section(*section, figures) for section in SECTIONS)
    heading = escape(title).replace(" × ", " <span>×</span> ")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLESHEET}</style></head><body><main>"
        f'<p class="eyebrow">handpose</p><h1>{heading}</h1><p class="muted">{_facts(report)}</p>'
        f"{what_was_run(report)}{what_came_of_it(report.results)}{sections}"
        f"<footer>The exact numbers lie in {escape(numbers)}.</footer>"
        "</main></body></html>\n"
    )


def _facts(report: ReportInput) -> str:
    """The seed, the date, and what the run did."""
    config = report.config
    did = "Pre-trained and fine-tuned"
    if part_name(config, "head") == "none":
        did = "Pre-trained only"
    elif part_name(config, "objective") == "none":
        did = "Fine-tuned only"
    seed = f"seed {config['seed']} · " if "seed" in config else ""
    day = report.results.get("date") or date.today().isoformat()
    return f'{did} · {escape(seed)}<span class="whole">{escape(str(day))}</span>'


def _section(
    heading: str, layout: str, entries: tuple[Figure, ...], figures: dict[str, bytes]
) -> str:
    """A heading and those of its figures that the run has; nothing without any."""
    drawn = "".join(
        figure(
            figures[entry.name],
            alt=entry.name.replace("_", " "),
            caption=entry.caption,
            narrowest=entry.narrowest,
        )
        for entry in entries
        if entry.name in figures
    )
    return f'<h2>{heading}</h2><div class="{layout}">{drawn}</div>' if drawn else ""
