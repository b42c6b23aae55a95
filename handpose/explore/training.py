"""The training curves of several runs side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.ticker import MaxNLocator

from handpose.evaluation.summarise import describe
from handpose.explore.comparison import Shown
from handpose.explore.runs import inside
from handpose.report.curves import Curves, Points, draw_line, from_1, stage_panels
from handpose.report.style import legend, new_panels, tidy, to_png
from handpose.training.loggers import read_curves

_STAGES = {"pretrain": "pre-training", "finetune": "fine-tuning"}
_COLUMNS = 3


def draw_training(chosen: Sequence[Shown], root: Path, stage: str) -> bytes | None:
    """A plot for each quantity that a run logged, a line for each run; None without any.

    Args:
        chosen: the runs.
        root: the folder of all runs, which their curves must lie in.
        stage: "pretrain" or "finetune".
    """
    curves = {
        one.letter: read_curves(inside(root, one.run.folder / "metrics.csv")) for one in chosen
    }
    lines = stage_lines(curves, stage)
    if not lines:
        return None
    figure, plots = new_panels(len(lines), columns=min(_COLUMNS, max(len(lines), 2)), height=2.5)
    colours = {one.letter: one.colour for one in chosen}
    for axes, (name, runs) in zip(plots, lines.items(), strict=True):
        tidy(axes, title=f"{describe(name).title}, {_STAGES[stage]}", x="epoch")
        for letter, points in runs.items():
            draw_line(axes, points, letter, color=colours[letter])
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.ticklabel_format(axis="y", useOffset=False)
        legend(axes, loc="best", ncols=3)
    return to_png(figure)


def stage_lines(curves: Mapping[str, Curves], stage: str) -> dict[str, dict[str, Points]]:
    """Quantity -> letter -> (epoch from 1, value): of the validation split, else of training."""
    lines: dict[str, dict[str, Points]] = {}
    for letter, own in curves.items():
        for panel in stage_panels(own, stage):
            if points := from_1(panel.val or panel.train):
                lines.setdefault(panel.name, {})[letter] = points
    return lines
