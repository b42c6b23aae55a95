"""Samples of an evaluated run, ordered by error, over the image and in 3D.

J = 21 joints; mm.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr
import numpy as np

from handpose.evaluation.evaluation import Evaluation
from handpose.explore import FRAGMENTS
from handpose.explore.comparison import Shown
from handpose.explore.finished_runs import Evaluated
from handpose.report.html import fragment, image_uri, page_image
from handpose.report.predictions import aligned_poses, draw_over, sample_errors
from handpose.report.skeletons import SIGHTS, Pose, draw_pose, millimetres_per_inch
from handpose.report.style import new_figure, to_png

ORDERS = ("worst first", "best first")
_SIDE = 3.6  # inches of the skeleton's figure
_STRIP = 6  # small images after the large one


def add_sample_viewer(show: Callable[..., str]) -> tuple[list[Any], gr.HTML]:
    """Builds the controls, hidden until there are samples, and the place below them.

    Args:
        show: (run, order, rank, turn, tilt) -> HTML.
    """
    with gr.Row(equal_height=False):
        which = gr.Dropdown([], label="samples of", visible=False, elem_id="which")
        order = gr.Radio(ORDERS, value=ORDERS[0], label="order", visible=False)
    with gr.Row(equal_height=False):
        sliders = [
            gr.Slider(low, high, 0, step=1, label=label, visible=False, elem_id=name, min_width=200)
            for name, label, low, high in (
                ("rank", "place in the order", 0, 1),
                ("turn", "turn (or drag the skeleton)", -180, 180),
                ("tilt", "tilt", -90, 90),
            )
        ]
    inputs: list[Any] = [which, order, *sliders]
    shown = gr.HTML(elem_id="overlay")
    for control in inputs:
        control.input(show, inputs, shown, show_progress="hidden", trigger_mode="always_last")
    return inputs, shown


def updated_controls(shown: Sequence[Shown], done: Mapping[str, Evaluation]) -> tuple[Any, ...]:
    """Returns the controls of `add_sample_viewer` for the evaluated runs; hidden for none.

    Args:
        shown: the chosen runs.
        done: {letter: evaluation}.
    """
    options = [(f"{o.letter}: {o.run.name}", o.run.name) for o in shown if o.letter in done]
    visible = bool(done)
    most = max((len(_ranked(one, ORDERS[0])) - 1 for one in done.values()), default=1)
    return (
        gr.Dropdown(options, value=options[0][1] if options else None, visible=visible),
        gr.Radio(visible=visible),
        gr.Slider(0, max(1, most), 0, visible=visible),
        gr.Slider(visible=visible),
        gr.Slider(visible=visible),
    )


def _ranked(evaluation: Evaluation, order: str) -> list[tuple[int, float]]:
    """Returns (row, error) of the samples with an error, in one of `ORDERS`."""
    errors = sample_errors(evaluation)
    rows = errors.argsort(stable=True)[: int(errors.isfinite().sum())].tolist()
    if order == ORDERS[0]:
        rows.reverse()
    return [(row, float(errors[row])) for row in rows]


def sample_html(evaluated: Evaluated, order: str, rank: int, turn: float, tilt: float) -> str:
    """Shows a sample, large and in 3D, and the next ones, small.

    Args:
        rank: place in that order, from 0.
        turn: degrees about the vertical axis.
        tilt: degrees about the horizontal axis.
    """
    e, rows = evaluated.evaluation, _ranked(evaluated.evaluation, order)
    if not rows:
        return fragment(FRAGMENTS, "notes", lines=["No sample has enough labels for an error."])
    rank = min(rank, len(rows) - 1)
    unit = "mm aligned" if e.pa_valid.any() else "px in 2D"

    def drawn(place: int, size: int) -> dict[str, Any]:
        row, error = rows[place]
        index = int(e.index[row])
        image = image_uri(draw_over(e, row, evaluated.source[index].image, size=size))
        return {"image": image, "error": f"{error:.1f} {unit}", "index": index}

    return fragment(
        FRAGMENTS,
        "sample",
        skeleton=page_image(_draw_skeleton(e, rows[rank][0], turn=turn, tilt=tilt)).uri,
        large=drawn(rank, 440),
        place=rank + 1,
        count=len(rows),
        strip=[drawn(i, 160) for i in range(rank + 1, min(rank + 1 + _STRIP, len(rows)))],
    )


def _draw_skeleton(evaluation: Evaluation, row: int, *, turn: float, tilt: float) -> bytes:
    """Draws the aligned prediction (finger colours) and the truth (grey) as PNG."""
    (pose,) = aligned_poses(evaluation, [row])
    figure = new_figure(_SIDE, _SIDE)
    axes = figure.add_axes((0.04, 0.08, 0.92, 0.84))
    axes.axis("off")
    axes.set_aspect("auto")
    room = 0.8 * _SIDE
    # One scale for all directions: turning does not change the size.
    reach = np.full((1, 3), np.linalg.norm(np.concatenate(pose[:2]), axis=1).max())
    scale = millimetres_per_inch([Pose(reach, reach, np.array([True]))], width=room, height=room)
    sight = SIGHTS[0]._replace(name=f"turned {turn:.0f}°, tilted {tilt:.0f}°")
    draw_pose(axes, _turned(pose, turn, tilt), sight, scale=scale)
    return to_png(figure)


def _turned(pose: Pose, turn: float, tilt: float) -> Pose:
    """Returns the pose turned about the vertical axis, then tilted; degrees."""
    a, b = np.radians([turn, tilt])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    rotation = (about_x @ about_y).T
    return Pose(pose.predicted @ rotation, pose.true @ rotation, pose.valid)
