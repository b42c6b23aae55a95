"""Several runs side by side: letters, the table of metrics, and the figures. J = 21 joints."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from handpose.evaluation import joint_errors
from handpose.evaluation.evaluation import Evaluation
from handpose.evaluation.summarise import describe
from handpose.explore.runs import Run
from handpose.report.accuracy import (
    PckLine,
    draw_pck_lines,
    joint_axes,
    joint_places,
    per_joint,
)
from handpose.report.choices import essence, find
from handpose.report.rows import metric_rows, shown
from handpose.report.style import MODEL, legend, to_png
from handpose.study.tables import percent

# None is the baseline's, which is drawn dashed.
COLOURS = (MODEL, "#ee6677", "#228833", "#ccbb44", "#aa3377", "#66ccee")


class Shown(NamedTuple):
    """A chosen run, as the table and the figures call it."""

    letter: str
    colour: str
    run: Run


def lettered(runs: Sequence[Run]) -> list[Shown]:
    """A, B, ... Z, A1, ...: names are too long for columns and legends."""
    return [
        Shown(chr(65 + i % 26) + (str(i // 26) if i >= 26 else ""), COLOURS[i % len(COLOURS)], run)
        for i, run in enumerate(runs)
    ]


def metric_names(runs: Sequence[Run]) -> dict[str, str]:
    """In words -> the name of each metric that some run has a number for."""
    rows = [row for run in runs for row in metric_rows(run.results) if row.mean.value is not None]
    return {row.words.title: row.mean.key for row in rows}


def key_table(chosen: Sequence[Shown]) -> str:
    """What the letters stand for."""
    body = "".join(
        f'<tr><th><i style="background:{one.colour}"></i>{one.letter}</th><td>'
        f"<b>{escape(essence(one.run.config))}</b>, {percent(one.run.label_fraction or 1.0)} of "
        f"the labels, seed {escape(str(one.run.config.get('seed')))}{_start(one.run)}"
        f"<br><code>{escape(one.run.name)}</code></td></tr>"
        for one in chosen
    )
    return f'<table class="key">{body}</table>'


def _start(run: Run) -> str:
    """The weights that it was told to begin with."""
    weights = find(run.config, "backbone.weights")
    return f", from {escape(str(weights))}" if weights else ""


def metrics_table(chosen: Sequence[Shown]) -> str:
    """A row a metric, a column a run; the best of each row is bold."""
    names = metric_names([one.run for one in chosen])
    head = "".join(f"<th>{one.letter}</th>" for one in chosen)
    body = "".join(_row(name, chosen) for name in names.values())
    return (
        f'<div class="scroll"><table class="numbers"><thead><tr><th>metric</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _row(name: str, chosen: Sequence[Shown]) -> str:
    words, values = describe(name), [one.run.results.get(name) for one in chosen]
    known = [float(value) for value in values if isinstance(value, int | float)]
    best = max(known) if words.better == "higher" else min(known)
    cells = "".join(
        f"<td{' class=best' if value == best and len(set(known)) > 1 else ''}>"
        f"{escape(shown(value, unit=words.unit))}</td>"
        for value in values
    )
    return f"<tr><th>{escape(words.title)}<code>{escape(name)}</code></th>{cells}</tr>"


def draw_pck_of(evaluations: Mapping[str, Evaluation], colours: Mapping[str, str]) -> bytes | None:
    """A curve for each run: aligned in 3D where all are labelled so, else in 2D; None if neither.

    Args:
        evaluations, colours: by letter.
    """
    es = evaluations
    if not es:
        return None
    if all(e.pa_valid.any() for e in es.values()):
        lines = [PckLine(a, colours[a], joint_errors.aligned(e)) for a, e in es.items()]
        return draw_pck_lines(lines, in_3d=True)
    if all(e.box_valid.any() for e in es.values()):
        lines = [PckLine(a, colours[a], joint_errors.in_boxes(e)) for a, e in es.items()]
        return draw_pck_lines(lines, in_3d=False)
    return None


def draw_joints_of(
    evaluations: Mapping[str, Evaluation], colours: Mapping[str, str]
) -> bytes | None:
    """A dot for each run and joint, the runs of a joint beside each other; None without labels."""
    es = evaluations
    in_3d = all(e.pa_valid.any() for e in es.values())
    if not es or not (in_3d or all(e.uv_valid.any() for e in es.values())):
        return None
    figure, axes = joint_axes(in_3d=in_3d)
    step = 0.7 / len(es)
    for order, (letter, e) in enumerate(es.items()):
        values = per_joint(joint_errors.aligned(e) if in_3d else joint_errors.in_2d(e))
        places = joint_places() + (order - (len(es) - 1) / 2) * step
        axes.bar(places, values, width=step, color=colours[letter], label=letter)
    axes.set_ylim(0, 1.2 * axes.get_ylim()[1] / 1.05)
    legend(axes, loc="upper right", ncols=6, borderaxespad=0)
    return to_png(figure)
