"""Several runs side by side: letters, the table of metrics, and the figures. J = 21 joints."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from handpose.evaluation import pose_errors
from handpose.evaluation.evaluation import Evaluation, errors_in_2d, pa_errors
from handpose.evaluation.metrics import PCK_2D_MAX, box_errors
from handpose.explore.runs import Run
from handpose.report.accuracy import (
    PckLine,
    draw_pck_lines,
    joint_places,
    name_joints,
    per_joint,
)
from handpose.report.choices import essence, find
from handpose.report.rows import higher_is_better, metric_rows, shown
from handpose.report.style import MODEL, legend, new_figure, tidy, to_png
from handpose.skeleton import NUM_JOINTS
from handpose.study.tables import metric_words, percent

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
    return {metric_words(row.mean.key).title: row.mean.key for row in rows}


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
    words, values = metric_words(name), [one.run.results.get(name) for one in chosen]
    known = [float(value) for value in values if isinstance(value, int | float)]
    best = max(known) if higher_is_better(name) else min(known)
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
        lines = [PckLine(a, colours[a], pa_errors(e), e.pa_valid) for a, e in es.items()]
        return draw_pck_lines(lines, x="aligned error (PA), mm", maximum=pose_errors.PCK_MAX_MM)
    if all(e.box_valid.any() for e in es.values()):
        lines = [PckLine(a, colours[a], 100 * box_errors(e), e.box_valid) for a, e in es.items()]
        return draw_pck_lines(
            lines, x="2D error, % of the side of the joints’ box", maximum=100 * PCK_2D_MAX
        )
    return None


def draw_joints_of(
    evaluations: Mapping[str, Evaluation], colours: Mapping[str, str]
) -> bytes | None:
    """A dot for each run and joint, the runs of a joint beside each other; None without labels."""
    es = evaluations
    in_3d = all(e.pa_valid.any() for e in es.values())
    if not es or not (in_3d or all(e.uv_valid.any() for e in es.values())):
        return None
    figure = new_figure(5.0, 3.6)
    axes = figure.add_axes((0.09, 0.23, 0.89, 0.66))
    unit = "aligned (PA), mm" if in_3d else "px of the source image"
    tidy(axes, title=f"Error of each joint, {unit}", x="")
    places, step = joint_places(), 0.7 / len(es)
    for order, (letter, e) in enumerate(es.items()):
        errors, valid = (pa_errors(e), e.pa_valid) if in_3d else (errors_in_2d(e), e.uv_valid)
        values = per_joint(errors, valid)
        assert values.shape == (NUM_JOINTS,)
        shift = (order - (len(es) - 1) / 2) * step
        axes.bar(places + shift, values, width=step, color=colours[letter], label=letter)
    axes.set_ylim(0, 1.2 * axes.get_ylim()[1] / 1.05)
    legend(axes, loc="upper right", ncols=6, borderaxespad=0)
    name_joints(axes, places)
    return to_png(figure)
