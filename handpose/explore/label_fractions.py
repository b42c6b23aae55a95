"""A metric over the fraction of labels, one line per kind of run.

Runs of one kind differ only in the seed and the fraction of labels.
"""

import re
from collections.abc import Collection, Sequence
from pathlib import PurePath
from statistics import mean
from textwrap import fill
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, NullLocator

from handpose.config.stored import compare
from handpose.evaluation.summarise import describe
from handpose.explore.comparison import COLOURS
from handpose.explore.finished_runs import Run
from handpose.report.choices import Config, essence, find
from handpose.report.style import legend, new_figure, tidy, to_png
from handpose.study.result_tables import percent

_MARKERS = "osD^vPX"
_WIDTH = 64  # letters in a line of the legend
_PARTS = ("dataset", "backbone", "objective", "head")  # in the order of `essence`
_START = "backbone.weights"
# Keys that may differ within a kind; the weights at the start are compared without their seed.
_LEFT_OUT = ("seed", "finetune.label_fraction", _START)
_SEED = re.compile(r"[_,-]?seed[-_=]\d+(?![A-Za-z0-9])")  # in a path, such as seed-5


class Line(NamedTuple):
    """One kind of run."""

    label: str
    values: dict[float, list[float]]  # fraction of labels, rising -> the metric of each run

    @property
    def means(self) -> dict[float, float]:
        """Fraction -> mean over its runs, which differ in the seed."""
        return {fraction: mean(own) for fraction, own in self.values.items()}


def draw_fractions(runs: Sequence[Run], name: str) -> bytes | None:
    """Draws a line through the means over seeds, and a dot per run; None without any value.

    Args:
        runs: runs of one or more kinds.
        name: name of the metric.
    """
    lines = fraction_lines(runs, name)
    if not lines:
        return None
    labels = [fill(line.label, _WIDTH) for line in lines]
    below = 0.6 + 0.18 * sum(label.count("\n") + 1 for label in labels)  # inches
    figure = new_figure(5.0, below + 3.0)
    axes = figure.add_axes((0.13, below / (below + 3.0), 0.83, 2.65 / (below + 3.0)))
    tidy(axes, title=f"{describe(name).title}, by labels", x="fraction of the labels")
    for place, (line, label) in enumerate(zip(lines, labels, strict=True)):
        style = COLOURS[place % len(COLOURS)], _MARKERS[place % len(_MARKERS)]
        _draw(axes, line, label, *style)
    fractions = sorted({fraction for line in lines for fraction in line.values})
    axes.set_xscale("log")
    axes.set_xticks(fractions, [percent(fraction) for fraction in fractions])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(fractions[0] / 1.3, fractions[-1] * 1.3)
    legend(axes, loc="lower left", bbox_to_anchor=(0.1, 0), bbox_transform=figure.transFigure)
    return to_png(figure)


def _draw(axes: Axes, line: Line, label: str, colour: str, marker: str) -> None:
    fractions, means = [*line.means], [*line.means.values()]
    label = label.replace("$", r"\$")  # matplotlib would read mathematics
    axes.plot(fractions, means, color=colour, marker=marker, linewidth=1.8, label=label)
    for fraction, own in line.values.items():
        axes.plot([fraction] * len(own), own, ".", color=colour, alpha=0.5)


def fraction_lines(runs: Sequence[Run], name: str) -> list[Line]:
    """Returns the lines of the runs that have a metric and a fraction of labels.

    Args:
        runs: runs of one or more kinds.
        name: name of the metric.
    """
    usable = [run for run in runs if run.label_fraction and run.number(name) is not None]
    lines = []
    for label, own in by_kind(usable).items():
        values: dict[float, list[float]] = {}
        for run in sorted(own, key=lambda run: run.label_fraction or 0.0):
            values.setdefault(run.label_fraction or 0.0, []).append(run.number(name) or 0.0)
        lines.append(Line(label, values))
    return lines


def by_kind(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Returns {what tells a kind from the others: its runs}."""
    keys = _varying([run.config for run in runs])
    starts = _short_names({_start(run.config) for run in runs})
    kinds: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        settings = [f"{key}={_value(run.config, key)}" for key in keys]
        kind = (*_parts(run.config), f"from {starts[_start(run.config)]}", *settings)
        kinds.setdefault(kind, []).append(run)
    labels = _labels(list(kinds)) if len(kinds) > 1 else [essence(run.config) for run in runs[:1]]
    return dict(zip(labels, kinds.values(), strict=True))


def _parts(config: Config) -> list[str]:
    """Returns the run's parts, such as "head=heatmap"."""
    names = essence(config).split(" × ", len(_PARTS) - 1)
    return [f"{part}={name}" for part, name in zip(_PARTS, names, strict=True)]


def _value(config: Config, key: str) -> object:
    value = find(config, key)
    return "null" if value is None else value


def _varying(configs: Sequence[Config]) -> list[str]:
    """Returns the dotted keys of values that differ between kinds, except the start."""
    lines = [line for config in configs for line in compare(configs[0], config)]
    keys = dict.fromkeys(line.partition(":")[0] for line in lines)
    # A key with keys below it adds no information.
    branches = {key for key in keys for one in configs if isinstance(find(one, key), dict)}
    return [key for key in keys if key not in _LEFT_OUT and key not in branches]


def _start(config: Config) -> PurePath:
    """Returns the starting weights without their seed; in a study, the arm's folder."""
    given = PurePath(str(find(config, _START) or "random weights"))
    path = PurePath(*(_SEED.sub("", part).strip("_,-") for part in given.parts))
    return path.parent if path.name == "backbone.pt" and path.parent.name else path


def _short_names(paths: Collection[PurePath]) -> dict[PurePath, str]:
    """Returns the shortest distinct ends of the paths."""
    longest = max((len(path.parts) for path in paths), default=0)
    for length in range(1, longest + 1):
        names = {path: str(PurePath(*path.parts[-length:])) for path in paths}
        if len(set(names.values())) == len(names):
            return names
    return {path: str(path) for path in paths}


def _labels(kinds: Sequence[tuple[str, ...]]) -> list[str]:
    """Names kinds by the parts and start that differ, and as few settings as necessary.

    Args:
        kinds: two or more tuples (a word per part, the start, a word per setting).
    """
    always = len(_PARTS) + 1
    told = [place for place in range(always) if _count(kinds, [place]) > 1]
    for place in range(always, len(kinds[0])):
        if _count(kinds, [*told, place]) > _count(kinds, told):
            told.append(place)
    return [", ".join(kind[place] for place in told) for kind in kinds]


def _count(kinds: Sequence[tuple[str, ...]], places: Sequence[int]) -> int:
    """Returns how many kinds these places tell apart."""
    return len({tuple(kind[place] for place in places) for kind in kinds})
