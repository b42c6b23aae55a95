"""Comparison of runs: letters, tables and figures. J = 21 joints."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from handpose.evaluation import joint_errors
from handpose.evaluation.evaluation import Evaluation
from handpose.evaluation.summarise import describe
from handpose.explore import FRAGMENTS
from handpose.explore.finished_runs import Run, inside
from handpose.loggers.csv_log import read_curves
from handpose.report.accuracy import PckLine, draw_pck_lines, joint_axes, joint_places, per_joint
from handpose.report.choices import essence, find
from handpose.report.curves import Curves, Points, draw_line, from_1, stage_panels, whole_numbers
from handpose.report.html import fragment
from handpose.report.rows import metric_rows
from handpose.report.style import MODEL, legend, new_panels, tidy, to_png
from handpose.study.result_tables import percent

# Without the baseline's colour, which figures draw dashed.
COLOURS = (MODEL, "#ee6677", "#228833", "#ccbb44", "#aa3377", "#66ccee")
STAGES = {"pretrain": "pre-training", "finetune": "fine-tuning"}


class Shown(NamedTuple):
    """A chosen run, with its letter and colour in the table and the figures."""

    letter: str
    colour: str
    run: Run


def lettered(runs: Sequence[Run]) -> list[Shown]:
    """Names the runs A, B, ... Z, A1, ..., as their names are too long for columns."""
    return [
        Shown(chr(65 + i % 26) + (str(i // 26) if i >= 26 else ""), COLOURS[i % len(COLOURS)], run)
        for i, run in enumerate(runs)
    ]


def metric_titles(runs: Sequence[Run]) -> dict[str, str]:
    """Returns title -> name of each metric that some run has a number for."""
    rows = [row for run in runs for row in metric_rows(run.results) if row.mean.value is not None]
    return {row.words.title: row.mean.key for row in rows}


def key_table(chosen: Sequence[Shown]) -> str:
    """Shows the run of each letter."""
    runs = [
        {
            "letter": letter,
            "colour": colour,
            "name": run.name,
            "parts": essence(run.config),
            "labels": percent(run.label_fraction or 1.0),
            "seed": run.config.get("seed"),
            "weights": find(run.config, "backbone.weights"),
        }
        for letter, colour, run in chosen
    ]
    return fragment(FRAGMENTS, "key_table", runs=runs)


def metrics_table(chosen: Sequence[Shown]) -> str:
    """Shows a row per metric and a column per run; the best of each row is bold."""
    rows = []
    for name in metric_titles([one.run for one in chosen]).values():
        metric, values = describe(name), [one.run.number(name) for one in chosen]
        known = {value for value in values if value is not None}
        best = max(known) if metric.better == "higher" else min(known)
        rows.append((metric, values, best if len(known) > 1 else None))
    return fragment(FRAGMENTS, "metrics_table", letters=[one.letter for one in chosen], rows=rows)


def draw_pck_of(evaluations: Mapping[str, Evaluation], colours: Mapping[str, str]) -> bytes | None:
    """Draws a curve per run: aligned in 3D if all have the labels, else in 2D; None for neither.

    Args:
        evaluations: {letter: evaluation}.
        colours: {letter: colour}.
    """
    es = evaluations.values()
    in_3d = all(e.pa_valid.any() for e in es)
    if not es or not (in_3d or all(e.box_valid.any() for e in es)):
        return None
    measure = joint_errors.aligned if in_3d else joint_errors.in_boxes
    lines = [PckLine(letter, colours[letter], measure(e)) for letter, e in evaluations.items()]
    return draw_pck_lines(lines, in_3d=in_3d)


def draw_joints_of(
    evaluations: Mapping[str, Evaluation], colours: Mapping[str, str]
) -> bytes | None:
    """Draws a bar per run and joint; None without labels.

    Args:
        evaluations: {letter: evaluation}.
        colours: {letter: colour}.
    """
    es = evaluations.values()
    in_3d = all(e.pa_valid.any() for e in es)
    if not es or not (in_3d or all(e.uv_valid.any() for e in es)):
        return None
    figure, axes = joint_axes(in_3d=in_3d)
    step = 0.7 / len(es)
    for order, (letter, e) in enumerate(evaluations.items()):
        values = per_joint(joint_errors.aligned(e) if in_3d else joint_errors.in_2d(e))
        places = joint_places() + (order - (len(es) - 1) / 2) * step
        axes.bar(places, values, width=step, color=colours[letter], label=letter)
    axes.set_ylim(0, 1.2 * axes.get_ylim()[1] / 1.05)
    legend(axes, loc="upper right", ncols=6, borderaxespad=0)
    return to_png(figure)


def draw_training(chosen: Sequence[Shown], root: Path, stage: str) -> bytes | None:
    """Draws a panel per logged quantity, with a line per run; None without any.

    Args:
        root: the folder of all runs; curves outside of it are refused.
    """
    files = {one.letter: inside(root, one.run.folder / "metrics.csv") for one in chosen}
    lines = stage_lines({letter: read_curves(file) for letter, file in files.items()}, stage)
    if not lines:
        return None
    figure, plots = new_panels(len(lines), columns=min(3, max(len(lines), 2)), height=2.5)
    colours = {one.letter: one.colour for one in chosen}
    for axes, (name, runs) in zip(plots, lines.items(), strict=True):
        tidy(axes, title=f"{describe(name).title}, {STAGES[stage]}", x="epoch")
        for letter, points in runs.items():
            draw_line(axes, points, letter, color=colours[letter])
        whole_numbers(axes, 6)
        axes.ticklabel_format(axis="y", useOffset=False)
        legend(axes, loc="best", ncols=3)
    return to_png(figure)


def stage_lines(curves: Mapping[str, Curves], stage: str) -> dict[str, dict[str, Points]]:
    """Returns quantity -> letter -> (epoch from 1, value), on the validation split if logged.

    Args:
        curves: {letter: curves}.
        stage: "pretrain" or "finetune".
    """
    lines: dict[str, dict[str, Points]] = {}
    for letter, own in curves.items():
        for panel in stage_panels(own, stage):
            if points := from_1(panel.val or panel.train):
                lines.setdefault(panel.name, {})[letter] = points
    return lines
