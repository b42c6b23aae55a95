"""The tab of the results: runs side by side, and their samples once they are evaluated."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from handpose.evaluation.evaluation import Evaluation
from handpose.evaluation.summarise import describe
from handpose.explore import comparison
from handpose.explore.evaluations import Evaluated
from handpose.explore.fractions import draw_fractions
from handpose.explore.runs import ALIGNED_ERROR, ORDERS, Found, Run, find_runs
from handpose.explore.samples_view import add_samples_view, sample_html, updated_controls
from handpose.explore.training import draw_training
from handpose.report.choices import essence
from handpose.report.html import page_image
from handpose.report.rows import shown as number

_SWEEP = "sweep: "

Evaluate = Callable[[Run], Evaluated]


def add_results_tab(blocks: gr.Blocks, root: Path, evaluate: Evaluate) -> None:
    """Build the tab inside the page that is open.

    Args:
        blocks: the page.
        root: the folder that runs are looked for in, each time the page is loaded.
        evaluate: gives a run's predictions.

    Raises:
        ValueError: there is no such folder.
    """
    find_runs(root)  # before the page is served
    answers = _Answers(root, evaluate)
    note = gr.HTML(elem_id="found")
    with gr.Row(equal_height=False):
        words = gr.Textbox(
            "", label="only runs with", placeholder="relative heatmap", elem_id="words", scale=2
        )
        order = gr.Dropdown(list(ORDERS), value=ORDERS[0], label="order", scale=2, elem_id="order")
        again = gr.Button("Look again", scale=1, min_width=120)
    chosen = gr.Dropdown([], value=[], multiselect=True, label="runs and sweeps", elem_id="runs")
    table = gr.HTML(elem_id="compared")
    training = gr.HTML(elem_id="training")
    metric = gr.Dropdown([], label="metric by labels", visible=False, elem_id="metric")
    fractions = gr.HTML(elem_id="fractions")
    start = gr.Button("Evaluate: PCK, joints, samples", variant="primary", elem_id="evaluate")
    curves = gr.HTML(elem_id="curves")
    inputs, sample = add_samples_view(answers.sample)

    listing = [words, order, chosen]
    blocks.load(answers.open, [words, order], [note, chosen])
    # What was evaluated for the runs chosen before goes at once.
    cleared = [table, training, metric, curves, *inputs, sample]
    compared = chosen.change(answers.compare, chosen, cleared)
    compared.then(answers.by_labels, [chosen, metric], fractions)
    again.click(answers.look_again, listing, [note, chosen])
    for control in (words, order):
        control.change(answers.look_again, listing, [note, chosen], show_progress="hidden")
    metric.input(answers.by_labels, [chosen, metric], fractions)
    evaluated = start.click(answers.evaluate_all, chosen, [curves, *inputs])
    evaluated.then(answers.sample, inputs, sample)


class _Answers:
    """What the tab's controls are answered with; the folder is read anew each time."""

    def __init__(self, root: Path, evaluate: Evaluate) -> None:
        self.root = root
        self.evaluate = evaluate

    def open(self, words: str, order: str) -> tuple[str, gr.Dropdown]:
        """The newest run is chosen, if there is one."""
        newest = [run.name for run in find_runs(self.root).ordered(ORDERS[0])[:1]]
        return self.look_again(words, order, newest)

    def look_again(self, words: str, order: str, names: list[str]) -> tuple[str, gr.Dropdown]:
        """What is chosen stays, as far as it is still there."""
        found = find_runs(self.root)
        every = {value: label for label, value in choices(found, words="", order=order)}
        kept = [name for name in names if name in every]
        offered = dict.fromkeys([*kept, *(v for _, v in choices(found, words=words, order=order))])
        options = [(every[value], value) for value in offered]
        return _note(found), gr.Dropdown(options, value=kept, multiselect=True)

    def chosen(self, names: list[str]) -> list[comparison.Shown]:
        return comparison.lettered(_runs(find_runs(self.root), names))

    def compare(self, names: list[str]) -> tuple[Any, ...]:
        """The tables, the training curves, the metrics to plot, and nothing evaluated yet."""
        shown = self.chosen(names)
        words = comparison.metric_names([one.run for one in shown])
        metric = gr.Dropdown(
            list(words.items()), value=next(iter(words.values()), None), visible=bool(words)
        )
        tables = comparison.key_table(shown) + comparison.metrics_table(shown) if shown else ""
        return tables, self._training(shown), metric, "", *updated_controls(shown, {}), ""

    def _training(self, shown: Sequence[comparison.Shown]) -> str:
        try:
            return "".join(
                _figures({f"{stage} curves": draw_training(shown, self.root, stage)}, columns=1)
                for stage in ("pretrain", "finetune")
            )
        except (ValueError, OSError) as error:
            return _errors([f"no training curves: {error}"])

    def by_labels(self, names: list[str], name: str | None) -> str:
        runs = [one.run for one in self.chosen(names)]
        return _figures({"metric by labels": draw_fractions(runs, name or "")})

    def evaluate_all(
        self,
        names: list[str],
        progress: gr.Progress = gr.Progress(),  # noqa: B008  # Gradio's way
    ) -> tuple[Any, ...]:
        """The figures, and the controls of the samples."""
        shown, done = self.chosen(names), {}
        refused = [] if shown else ["Choose a run first."]
        for place, one in enumerate(shown):
            progress((place, len(shown)), desc=f"evaluating {one.letter}", unit="runs")
            try:
                done[one.letter] = self.evaluate(one.run).evaluation
            except (ValueError, OSError) as error:
                refused.append(str(error))
        return _errors(refused) + _compared(shown, done), *updated_controls(shown, done)

    def sample(self, name: str | None, order: str, rank: float, turn: float, tilt: float) -> str:
        run = find_runs(self.root).runs.get(name or "")
        return sample_html(self.evaluate(run), order, int(rank), turn, tilt) if run else ""


def _compared(shown: Sequence[comparison.Shown], done: Mapping[str, Evaluation]) -> str:
    colours = {one.letter: one.colour for one in shown}
    return _figures(
        {
            "PCK": comparison.draw_pck_of(done, colours),
            "error per joint": comparison.draw_joints_of(done, colours),
        }
    )


def _note(found: Found) -> str:
    """How many runs there are, or what to do without any."""
    lines = [f"{len(found.runs)} finished runs in {found.root}"]
    if not found.runs:
        lines = [f"No finished run in {found.root}: `python train.py trainer=debug` makes one, "
                 "--runs DIR looks elsewhere."]  # fmt: skip
    refused = [f"Not shown: {line}" for line in found.refused]
    return "".join(f'<p class="note">{escape(line)}</p>' for line in (*lines, *refused))


def choices(found: Found, *, words: str, order: str) -> list[tuple[str, str]]:
    """(label, value) of the sweeps and runs that have all `words` in their label, in that order."""
    sweeps = [
        (f"{_SWEEP}{name} ({len(runs)} runs)", f"{_SWEEP}{name}")
        for name, runs in found.sweeps().items()
    ]
    labelled = [*sweeps, *((_label(run), run.name) for run in found.ordered(order))]
    wanted = words.lower().split()
    return [one for one in labelled if all(word in one[0].lower() for word in wanted)]


def _label(run: Run) -> str:
    """The run's name, what it is, and its aligned error."""
    error, words = run.results.get(ALIGNED_ERROR), describe(ALIGNED_ERROR)
    said = f", {number(error, unit=words.unit)} {words.unit}" if error is not None else ""
    return f"{run.name} · {essence(run.config)}{said}"


def _runs(found: Found, names: Sequence[str]) -> list[Run]:
    """The chosen runs, those of chosen sweeps among them, each once; unknown names are none."""
    sweeps = found.sweeps()
    every = [run for name in names for run in sweeps.get(name.removeprefix(_SWEEP), [name])]
    return [found.runs[name] for name in dict.fromkeys(every) if name in found.runs]


def _errors(lines: Sequence[str]) -> str:
    return "".join(f'<p class="error">{escape(line)}</p>' for line in lines)


def _figures(figures: Mapping[str, bytes | None], *, columns: int = 2) -> str:
    drawn = "".join(
        f'<figure class="plot"><img alt="{name}" src="{page_image(png).uri}"></figure>'
        for name, png in figures.items()
        if png
    )
    return f'<div class="cards {"two" if columns == 2 else ""}">{drawn}</div>' if drawn else ""
