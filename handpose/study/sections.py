"""The sections of a study's page."""

from html import escape
from typing import NamedTuple

from handpose.evaluation.summarise import describe
from handpose.report.html import figure, number
from handpose.study.findings import Findings
from handpose.study.study_file import Study
from handpose.study.tables import Entry, StudyTables, Table, costs, percent

Figures = dict[str, bytes]  # name -> PNG


class _Picture(NamedTuple):
    name: str
    caption: str
    narrowest: int  # px of width below which it scrolls rather than shrinks


_MEANS = _Picture(
    "metric_by_labels",
    "The mean over the seeds and its 95 % interval, by the part of the labels (log).",
    700,
)
_DIFFERENCES = _Picture(
    "differences",
    "Mean differences, paired by seed, with their 95 % intervals; filled where the corrected p is "
    "below 5 %.",
    900,
)
_SEEDS = _Picture("seeds", "Every final run; a grey line joins the runs of one seed.", 900)


def results(findings: Findings, figures: Figures) -> str:
    """Each arm's mean, by labels."""
    study = findings.study
    note = (
        f"{describe(study.metric).title} ({study.metric}, {study.better} is better): mean over "
        "the seeds ± half of its 95 % t interval; in colour the best mean of a column."
    )
    picture = _MEANS._replace(caption=_MEANS.caption + _about_constant(study))
    found = _of_each_head(findings, "means")
    return f"<h2>Results</h2>{_picture(picture, figures)}{found}{_note(note)}"


def _about_constant(study: Study) -> str:
    """What its line in the figure says; nothing where there is none."""
    if study.constant is None:
        return ""
    worse = {"lower": "above", "higher": "below"}[study.better]
    return (
        f" The dashed line is what a constant gets ({study.constant}): {worse} it nothing was "
        "learned that a constant does not know."
    )


def differences(findings: Findings, figures: Figures) -> str:
    """Every comparison, and how it was tested."""
    note = (
        "First arm minus second, paired by seed: a seed stands for one start, one choice of the "
        "labelled part and one order. 95 % paired t interval; p of the two-sided paired t test, "
        f"corrected by Holm’s method over all {len(findings.comparisons)} comparisons of the study "
        "(all pairs, heads and parts of the labels; those not known yet count as p = 1); in colour "
        "where that is below 5 %."
    )
    found = _of_each_head(findings, "comparisons")
    return f"<h2>Differences</h2>{_picture(_DIFFERENCES, figures)}{found}{_note(note)}"


def seeds(findings: Findings, figures: Figures) -> str:
    """Every single run."""
    found = _of_each_head(findings, "seeds")
    notes = "".join(
        _note(f"{arm}, {head}, {percent(part)}, seed {seed}: {one.reason}")
        for (arm, head, part, seed), one in findings.values.items()
        if one.value is None
    )
    return (
        f"<h2>Every seed</h2>{_picture(_SEEDS, figures)}{notes}"
        f"<details><summary>All values</summary>{found}</details>"
    )


def tuning(findings: Findings) -> str:
    """What was chosen by what; nothing where there was no choice."""
    own = findings.study.tune
    if own is None:
        return ""
    settings = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(' '.join(lines))}</td></tr>"
        for name, lines in own.candidates.items()
    )
    is_partial = len(own.fractions) < len(findings.study.fractions)
    note = (
        f"{own.metric} on the validation split with seed {own.seed}, which no final run has; the "
        "test split is not looked at. In colour the chosen settings"
        + (", for other fractions those of the nearest." if is_partial else ".")
    )
    return (
        f"<h2>Choice of settings</h2>{_of_each_head(findings, 'tuning')}{_note(note)}"
        f'<div class="card"><table class="facts"><tbody>{settings}</tbody></table></div>'
    )


def cost(findings: Findings) -> str:
    """The time of each arm."""
    note = "Time of training, as measured; a pre-training is shared by all that start from it."
    return f"<h2>Cost</h2>{_table(costs(findings))}{_note(note)}"


def _of_each_head(findings: Findings, name: str) -> str:
    """A table a head, under its name where there are several."""
    heads = findings.study.heads
    return "".join(
        f"<h3>head={escape(head)}</h3>" * (len(heads) > 1)
        + _table(getattr(StudyTables(findings, head), name)())
        for head in heads
    )


def _picture(picture: _Picture, figures: Figures) -> str:
    if picture.name not in figures:
        return ""
    alt = picture.name.replace("_", " ")
    png = figures[picture.name]
    return figure(png, alt=alt, caption=picture.caption, narrowest=picture.narrowest)


def _note(text: str) -> str:
    return f'<p class="muted note">{escape(text)}</p>'


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.head)
    rows = "".join(
        f"<tr><th>{escape(name)}</th>"
        + "".join(_entry(*pair) for pair in zip(table.head[1:], entries, strict=True))
        + "</tr>"
        for name, entries in table.rows
    )
    return (
        '<div class="card scroll"><table class="numbers">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _entry(column: str, entry: Entry) -> str:
    main = ' class="main"' if entry.is_main else ""
    text = escape(entry.text) if entry.value is None else number(entry.value, text=entry.text)
    unbroken = text.replace(", ", ",&nbsp;")  # within an interval
    return f'<td{main} data-label="{escape(column)}">{unbroken}</td>'
