"""The tab of the results: runs side by side, and their samples once they are evaluated."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from handpose.doctor.contact_sheet import as_address
from handpose.evaluate import Evaluation
from handpose.explore import comparison, samples
from handpose.explore.evaluations import Evaluated
from handpose.explore.fractions import draw_fractions
from handpose.explore.runs import Found, Run, find_runs
from handpose.report.html import data_uri

_SWEEP = "sweep: "
_STRIP = 6  # small pictures after the one in question

Evaluate = Callable[[Run], Evaluated]


def add_results_tab(root: Path, evaluate: Evaluate) -> None:
    """Builds the tab inside the page that is open; runs are looked for below `root`."""
    answers, found = _Answers(root, evaluate), find_runs(root)
    note = gr.HTML(_note(found), elem_id="found")
    with gr.Row(equal_height=False):
        chosen = gr.Dropdown(
            _choices(found), value=[], multiselect=True, label="runs and sweeps", scale=4,
            elem_id="runs",
        )  # fmt: skip
        again = gr.Button("Look again", scale=1, min_width=120)
    table = gr.HTML(elem_id="compared")
    metric = gr.Dropdown([], label="metric by labels", visible=False, elem_id="metric")
    fractions = gr.HTML(elem_id="fractions")
    start = gr.Button("Evaluate: PCK, joints, samples", variant="primary", elem_id="evaluate")
    curves = gr.HTML(elem_id="curves")
    inputs, overlay = _sample_controls()

    again.click(answers.look_again, None, [note, chosen])
    compared = chosen.change(answers.compare, chosen, [table, metric])
    compared.then(answers.by_labels, [chosen, metric], fractions)
    metric.input(answers.by_labels, [chosen, metric], fractions)
    evaluated = start.click(answers.evaluate_all, chosen, [curves, *inputs])
    evaluated.then(answers.sample, inputs, overlay)
    for control in inputs:
        control.input(
            answers.sample, inputs, overlay, show_progress="hidden", trigger_mode="always_last"
        )


def _sample_controls() -> tuple[list[Any], gr.HTML]:
    """Which sample to show, from where, and the place to show it; hidden until there are some."""
    with gr.Row(equal_height=False):
        which = gr.Dropdown([], label="samples of", visible=False, elem_id="which")
        order = gr.Radio(samples.ORDERS, value=samples.ORDERS[0], label="order", visible=False)
    with gr.Row(equal_height=False):
        rank = _slider("place in the order", 0, 1, 1, "rank")
        turn = _slider("turn", -180, 180, 5, "turn")
        tilt = _slider("tilt", -90, 90, 5, "tilt")
    return [which, order, rank, turn, tilt], gr.HTML(elem_id="overlay")


def _slider(label: str, low: int, high: int, step: int, identity: str) -> gr.Slider:
    return gr.Slider(
        low, high, 0, step=step, label=label, visible=False, elem_id=identity, min_width=200
    )


class _Answers:
    """What the tab's controls are answered with; the folder is read anew each time."""

    def __init__(self, root: Path, evaluate: Evaluate) -> None:
        self.root = root
        self.evaluate = evaluate

    def look_again(self) -> tuple[str, gr.Dropdown]:
        found = find_runs(self.root)
        return _note(found), gr.Dropdown(_choices(found), value=[])

    def chosen(self, names: list[str]) -> list[comparison.Shown]:
        return comparison.lettered(_runs(find_runs(self.root), names))

    def compare(self, names: list[str]) -> tuple[str, gr.Dropdown]:
        """The tables, and the metrics to plot."""
        shown = self.chosen(names)
        if not shown:
            return "", gr.Dropdown([], value=None, visible=False)
        words = comparison.metric_names([one.run for one in shown])
        choice = gr.Dropdown(
            list(words.items()), value=next(iter(words.values()), None), visible=bool(words)
        )
        return comparison.key_table(shown) + comparison.metrics_table(shown), choice

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
        errors = "".join(f'<p class="error">{escape(line)}</p>' for line in refused)
        return errors + _compared(shown, done), *_updated_controls(shown, done)

    def sample(self, name: str | None, order: str, rank: float, turn: float, tilt: float) -> str:
        run = find_runs(self.root).runs.get(name or "")
        return _sample(self.evaluate(run), order, int(rank), turn, tilt) if run else ""


def _compared(shown: Sequence[comparison.Shown], done: Mapping[str, Evaluation]) -> str:
    colours = {one.letter: one.colour for one in shown}
    return _figures(
        {
            "PCK": comparison.draw_pck_of(done, colours),
            "error per joint": comparison.draw_joints_of(done, colours),
        }
    )


def _updated_controls(
    shown: Sequence[comparison.Shown], done: Mapping[str, Evaluation]
) -> tuple[Any, ...]:
    """Those of `_sample_controls`, for the runs that were evaluated."""
    options = [(f"{o.letter}: {o.run.name}", o.run.name) for o in shown if o.letter in done]
    visible, most = bool(done), max((_last(e) for e in done.values()), default=1)
    return (
        gr.Dropdown(options, value=options[0][1] if options else None, visible=visible),
        gr.Radio(visible=visible),
        gr.Slider(0, most, 0, visible=visible),
        gr.Slider(visible=visible),
        gr.Slider(visible=visible),
    )


def _note(found: Found) -> str:
    """How many runs there are, or what to do without any."""
    lines = [f"{len(found.runs)} finished runs in {found.root}"]
    if not found.runs:
        lines = [f"No finished run in {found.root}: `python train.py trainer=debug` makes one, "
                 "--runs DIR looks elsewhere."]  # fmt: skip
    refused = [f"Not shown: {line}" for line in found.refused]
    return "".join(f'<p class="note">{escape(line)}</p>' for line in (*lines, *refused))


def _choices(found: Found) -> list[str]:
    return [*(f"{_SWEEP}{name}" for name in found.sweeps()), *found.runs]


def _runs(found: Found, names: Sequence[str]) -> list[Run]:
    """The chosen runs, those of chosen sweeps among them, each once; unknown names are none."""
    sweeps = found.sweeps()
    every = [run for name in names for run in sweeps.get(name.removeprefix(_SWEEP), [name])]
    return [found.runs[name] for name in dict.fromkeys(every) if name in found.runs]


def _figures(figures: dict[str, bytes | None]) -> str:
    drawn = "".join(
        f'<figure class="plot"><img alt="{name}" src="{data_uri(png)}"></figure>'
        for name, png in figures.items()
        if png
    )
    return f'<div class="cards two">{drawn}</div>' if drawn else ""


def _last(evaluation: Evaluation) -> int:
    return max(1, len(samples.ranked(evaluation, samples.ORDERS[0])) - 1)


def _sample(evaluated: Evaluated, order: str, rank: int, turn: float, tilt: float) -> str:
    """The sample at a place of the order, large and in 3D, and those after it, small."""
    e = evaluated.evaluation
    rows = samples.ranked(e, order)
    if not rows:
        return '<p class="note">No sample has enough labels to be ranked.</p>'
    rank = min(rank, len(rows) - 1)
    row, error = rows[rank]
    large = as_address(samples.picture(evaluated, row, size=440))
    solid = data_uri(samples.draw_skeleton(e, row, turn=turn, tilt=tilt))
    unit = samples.unit(e)
    strip = "".join(
        f'<figure><img alt="sample {int(e.index[r])}" '
        f'src="{as_address(samples.picture(evaluated, r, size=160))}">'
        f"<figcaption>{value:.1f} {unit}</figcaption></figure>"
        for r, value in rows[rank + 1 : rank + 1 + _STRIP]
    )
    return (
        f'<div class="cards two"><figure><img alt="overlay" src="{large}"><figcaption>'
        f"<b>{error:.1f} {unit}</b>, no. {int(e.index[row])}, place {rank + 1} of {len(rows)}"
        "; the truth is white</figcaption></figure>"
        f'<figure><img alt="skeleton" src="{solid}"><figcaption>aligned; the truth is grey'
        f'</figcaption></figure></div><div class="cards six">{strip}</div>'
    )
