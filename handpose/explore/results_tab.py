"""The results tab: runs side by side, and samples of evaluated runs."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from handpose.evaluation.summarise import describe
from handpose.explore import FRAGMENTS
from handpose.explore.comparison import (
    STAGES,
    Shown,
    draw_joints_of,
    draw_pck_of,
    draw_training,
    key_table,
    lettered,
    metric_titles,
    metrics_table,
)
from handpose.explore.finished_runs import (
    ALIGNED_ERROR,
    ORDERS,
    Evaluated,
    Found,
    Run,
    find_runs,
)
from handpose.explore.label_fractions import draw_fractions
from handpose.explore.sample_viewer import add_sample_viewer, sample_html, updated_controls
from handpose.report.choices import essence
from handpose.report.html import fragment, page_image
from handpose.report.rows import shown as written

_SWEEP = "sweep: "

Evaluate = Callable[[Run], Evaluated]


def add_results_tab(blocks: gr.Blocks, root: Path, evaluate: Evaluate) -> None:
    """Builds the tab.

    Args:
        root: the folder of all runs, read again each time the page is loaded.

    Raises:
        ValueError: there is no such folder.
    """
    find_runs(root)  # fail before the page is served
    answers = _Handlers(root, evaluate)
    note = gr.HTML(elem_id="found")
    with gr.Row(equal_height=False):
        words = gr.Textbox(
            "", label="only runs with", placeholder="relative heatmap", elem_id="words", scale=2
        )
        order = gr.Dropdown(list(ORDERS), value=ORDERS[0], label="order", scale=2, elem_id="order")
        again = gr.Button("Reload", scale=1, min_width=120)
    chosen = gr.Dropdown([], value=[], multiselect=True, label="runs and sweeps", elem_id="runs")
    table, training = gr.HTML(elem_id="compared"), gr.HTML(elem_id="training")
    metric = gr.Dropdown([], label="metric by labels", visible=False, elem_id="metric")
    fractions = gr.HTML(elem_id="fractions")
    start = gr.Button("Evaluate: PCK, joints, samples", variant="primary", elem_id="evaluate")
    curves = gr.HTML(elem_id="curves")
    inputs, sample = add_sample_viewer(answers.sample)

    listing = [words, order, chosen]
    blocks.load(answers.open, [words, order], [note, chosen])
    # A new choice clears the evaluations of the last one.
    cleared = [table, training, metric, curves, *inputs, sample]
    compared = chosen.change(answers.compare, chosen, cleared)
    compared.then(answers.by_labels, [chosen, metric], fractions)
    again.click(answers.reload, listing, [note, chosen])
    for control in (words, order):
        control.change(answers.reload, listing, [note, chosen], show_progress="hidden")
    metric.input(answers.by_labels, [chosen, metric], fractions)
    evaluated = start.click(answers.evaluate_all, chosen, [curves, *inputs])
    evaluated.then(answers.sample, inputs, sample)


class _Handlers:
    """Event handlers of the results tab; each call reads the folder again."""

    def __init__(self, root: Path, evaluate: Evaluate) -> None:
        self.root = root
        self.evaluate = evaluate

    def open(self, words: str, order: str) -> tuple[str, gr.Dropdown]:
        """Chooses the newest run, if there is one."""
        newest = [run.name for run in find_runs(self.root).ordered(ORDERS[0])[:1]]
        return self.reload(words, order, newest)

    def reload(self, words: str, order: str, names: list[str]) -> tuple[str, gr.Dropdown]:
        """Keeps the chosen runs that still exist."""
        found = find_runs(self.root)
        every = {value: label for label, value in choices(found, words="", order=order)}
        kept = [name for name in names if name in every]
        offered = dict.fromkeys([*kept, *(v for _, v in choices(found, words=words, order=order))])
        options = [(every[value], value) for value in offered]
        return _note(found), gr.Dropdown(options, value=kept, multiselect=True)

    def chosen(self, names: list[str]) -> list[Shown]:
        """Returns the chosen runs, including those of chosen sweeps, each once."""
        found = find_runs(self.root)
        sweeps = found.sweeps()
        every = [run for name in names for run in sweeps.get(name.removeprefix(_SWEEP), [name])]
        return lettered([found.runs[name] for name in dict.fromkeys(every) if name in found.runs])

    def compare(self, names: list[str]) -> tuple[Any, ...]:
        """Returns the tables, the curves and the metrics to plot, and clears evaluations."""
        shown = self.chosen(names)
        titles = metric_titles([one.run for one in shown])
        metric = gr.Dropdown(
            list(titles.items()), value=next(iter(titles.values()), None), visible=bool(titles)
        )
        tables = key_table(shown) + metrics_table(shown) if shown else ""
        return tables, self._training(shown), metric, "", *updated_controls(shown, {}), ""

    def _training(self, shown: Sequence[Shown]) -> str:
        try:
            drawn = {s: draw_training(shown, self.root, s) for s in STAGES}
        except (ValueError, OSError) as error:
            return _errors([f"no training curves: {error}"])
        return "".join(_plots({f"{stage} curves": png}, "") for stage, png in drawn.items())

    def by_labels(self, names: list[str], name: str | None) -> str:
        """Draws the metric over the fraction of labels."""
        runs = [one.run for one in self.chosen(names)]
        return _plots({"metric by labels": draw_fractions(runs, name or "")})

    def evaluate_all(
        self,
        names: list[str],
        progress: gr.Progress = gr.Progress(),  # noqa: B008  # Gradio's convention
    ) -> tuple[Any, ...]:
        """Evaluates the runs; returns the figures and the controls of the samples."""
        shown, done = self.chosen(names), {}
        refused = [] if shown else ["Choose a run first."]
        for place, one in enumerate(shown):
            progress((place, len(shown)), desc=f"evaluating {one.letter}", unit="runs")
            try:
                done[one.letter] = self.evaluate(one.run).evaluation
            except (ValueError, OSError) as error:
                refused.append(str(error))
        colours = {one.letter: one.colour for one in shown}
        pck, joints = draw_pck_of(done, colours), draw_joints_of(done, colours)
        plots = _plots({"PCK": pck, "error per joint": joints})
        return _errors(refused) + plots, *updated_controls(shown, done)

    def sample(self, name: str | None, order: str, rank: float, turn: float, tilt: float) -> str:
        """Shows a sample of an evaluated run."""
        run = find_runs(self.root).runs.get(name or "")
        return sample_html(self.evaluate(run), order, int(rank), turn, tilt) if run else ""


def _note(found: Found) -> str:
    """Returns the number of runs, or what to do without any."""
    lines = [f"{len(found.runs)} finished runs in {found.root}"]
    if not found.runs:
        lines = [
            f"No finished run in {found.root}. Make one: `python train.py trainer=debug`. Or open "
            "another folder: --runs DIR."
        ]
    lines += [f"Not shown: {line}" for line in found.refused]
    return fragment(FRAGMENTS, "notes", lines=lines)


def choices(found: Found, *, words: str, order: str) -> list[tuple[str, str]]:
    """Returns (label, value) of the sweeps and runs to choose from.

    Args:
        words: search words in the label, separated by spaces.
    """
    sweeps = found.sweeps().items()
    labelled = [(f"{_SWEEP}{name} ({len(runs)} runs)", f"{_SWEEP}{name}") for name, runs in sweeps]
    labelled += [(_label(run), run.name) for run in found.ordered(order)]
    wanted = words.lower().split()
    return [one for one in labelled if all(word in one[0].lower() for word in wanted)]


def _label(run: Run) -> str:
    """Returns the run's name, its parts and its aligned error."""
    error, unit = run.number(ALIGNED_ERROR), describe(ALIGNED_ERROR).unit
    said = "" if error is None else f", {written(error, unit=unit)} {unit}"
    return f"{run.name} · {essence(run.config)}{said}"


def _errors(lines: Sequence[str]) -> str:
    return fragment(FRAGMENTS, "notes", lines=lines, kind="error")


def _plots(plots: Mapping[str, bytes | None], columns: str = "two") -> str:
    images = {name: page_image(png).uri for name, png in plots.items() if png}
    return fragment(FRAGMENTS, "plots", images=images, columns=columns)
