"""A metric over the share of labels, a line for each kind of run."""

from collections.abc import Sequence
from statistics import mean
from textwrap import fill
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, NullLocator

from handpose.evaluation.summarise import describe
from handpose.explore.comparison import COLOURS
from handpose.explore.kinds import by_kind
from handpose.explore.runs import Run
from handpose.report.style import legend, new_figure, tidy, to_png
from handpose.study.tables import percent

_MARKERS = "osD^vPX"
_WIDTH = 64  # letters in a line of the legend


class Line(NamedTuple):
    """A kind of run."""

    label: str
    values: dict[float, list[float]]  # share of the labels, rising -> the metric of each run

    @property
    def means(self) -> dict[float, float]:
        """Over the runs of each share: the seeds."""
        return {fraction: mean(own) for fraction, own in self.values.items()}


def fraction_lines(runs: Sequence[Run], name: str) -> list[Line]:
    """Of the runs that have the metric `name` and a share of labels."""
    usable = [
        run for run in runs if run.label_fraction and isinstance(run.results.get(name), int | float)
    ]
    return [Line(label, _values(own, name)) for label, own in by_kind(usable).items()]


def _values(runs: Sequence[Run], name: str) -> dict[float, list[float]]:
    points: dict[float, list[float]] = {}
    for run in runs:
        points.setdefault(run.label_fraction or 1.0, []).append(float(run.results[name]))
    return dict(sorted(points.items()))


def draw_fractions(runs: Sequence[Run], name: str) -> bytes | None:
    """The seeds' means joined to a line, and a dot a run; None where no run has both."""
    lines = fraction_lines(runs, name)
    if not lines:
        return None
    labels = [fill(line.label, _WIDTH) for line in lines]
    below = 0.6 + 0.18 * sum(label.count("\n") + 1 for label in labels)  # inches
    figure = new_figure(5.0, below + 3.0)
    axes = figure.add_axes((0.13, below / (below + 3.0), 0.83, 2.65 / (below + 3.0)))
    tidy(axes, title=f"{describe(name).title}, by labels", x="share of the labels")
    for place, (line, label) in enumerate(zip(lines, labels, strict=True)):
        style = COLOURS[place % len(COLOURS)], _MARKERS[place % len(_MARKERS)]
        _draw(axes, line, label, *style)
    _mark(axes, sorted({fraction for line in lines for fraction in line.values}))
    legend(axes, loc="lower left", bbox_to_anchor=(0.1, 0), bbox_transform=figure.transFigure)
    return to_png(figure)


def _draw(axes: Axes, line: Line, label: str, colour: str, marker: str) -> None:
    shares, means = [*line.means], [*line.means.values()]
    label = label.replace("$", r"\$")  # or matplotlib reads mathematics
    axes.plot(shares, means, color=colour, marker=marker, linewidth=1.8, label=label)
    for share, own in line.values.items():
        axes.plot([share] * len(own), own, ".", color=colour, alpha=0.5)


def _mark(axes: Axes, fractions: Sequence[float]) -> None:
    """Ticks at the shares that there are, on a logarithmic axis."""
    axes.set_xscale("log")
    axes.set_xticks(fractions, [percent(fraction) for fraction in fractions])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(fractions[0] / 1.3, fractions[-1] * 1.3)
