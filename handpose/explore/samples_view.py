"""The samples of an evaluated run: which one is shown, from where, and the place to show it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr

from handpose.evaluation.evaluation import Evaluation
from handpose.explore import comparison, samples
from handpose.explore.evaluations import Evaluated
from handpose.report.html import image_uri, page_image

_STRIP = 6  # small images after the one in question


def add_samples_view(show: Callable[..., str]) -> tuple[list[Any], gr.HTML]:
    """Build the controls, hidden until there are samples, and the place below them.

    Args:
        show: (run, order, rank, turn, tilt) -> HTML.
    """
    with gr.Row(equal_height=False):
        which = gr.Dropdown([], label="samples of", visible=False, elem_id="which")
        order = gr.Radio(samples.ORDERS, value=samples.ORDERS[0], label="order", visible=False)
    with gr.Row(equal_height=False):
        rank = _slider("place in the order", 0, 1, 1, "rank")
        turn = _slider("turn (or drag the skeleton)", -180, 180, 1, "turn")
        tilt = _slider("tilt", -90, 90, 1, "tilt")
    inputs: list[Any] = [which, order, rank, turn, tilt]
    shown = gr.HTML(elem_id="overlay")
    for control in inputs:
        control.input(show, inputs, shown, show_progress="hidden", trigger_mode="always_last")
    return inputs, shown


def _slider(label: str, low: int, high: int, step: int, identity: str) -> gr.Slider:
    return gr.Slider(
        low, high, 0, step=step, label=label, visible=False, elem_id=identity, min_width=200
    )


def updated_controls(
    shown: Sequence[comparison.Shown], done: Mapping[str, Evaluation]
) -> tuple[Any, ...]:
    """The controls of `add_samples_view` for the runs that were evaluated; hidden for none.

    Args:
        shown: the chosen runs.
        done: the evaluations by letter.
    """
    options = [(f"{o.letter}: {o.run.name}", o.run.name) for o in shown if o.letter in done]
    visible, most = bool(done), max((_last(e) for e in done.values()), default=1)
    return (
        gr.Dropdown(options, value=options[0][1] if options else None, visible=visible),
        gr.Radio(visible=visible),
        gr.Slider(0, most, 0, visible=visible),
        gr.Slider(visible=visible),
        gr.Slider(visible=visible),
    )


def _last(evaluation: Evaluation) -> int:
    return max(1, len(samples.ranked(evaluation, samples.ORDERS[0])) - 1)


def sample_html(evaluated: Evaluated, order: str, rank: int, turn: float, tilt: float) -> str:
    """The sample at a place of the order, large and in 3D, and those after it, small."""
    e = evaluated.evaluation
    rows = samples.ranked(e, order)
    if not rows:
        return '<p class="note">No sample has enough labels to be ranked.</p>'
    rank = min(rank, len(rows) - 1)
    row, error = rows[rank]
    large = image_uri(samples.picture(evaluated, row, size=440))
    solid = page_image(samples.draw_skeleton(e, row, turn=turn, tilt=tilt)).uri
    unit = samples.unit(e)
    strip = "".join(
        f'<figure><img alt="sample {int(e.index[r])}" '
        f'src="{image_uri(samples.picture(evaluated, r, size=160))}">'
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
