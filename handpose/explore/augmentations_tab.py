"""The tab of the augmentations: a sample, nine switches with their sliders, and the pair.

Each part of an objective has switches and sliders of its own, of which those of one are shown.
"""

import shlex
from collections.abc import Callable, Mapping
from html import escape
from typing import Any, NamedTuple

import gradio as gr

from handpose.augment.settings import Augmentation
from handpose.data.base import SPLITS, HandDataset, Split
from handpose.explore.augmentation_view import parameters_html, pictures_html
from handpose.explore.controls import (
    CONTROLS,
    PLAIN,
    PROBABILITY,
    SLIDERS,
    Slider,
    changed,
    overrides,
)
from handpose.explore.pairs import make_pair

_DRAWS = 99
_NUM_CONTROLS = len(CONTROLS) + len(SLIDERS)  # of a part


class Source(NamedTuple):
    """A dataset, and how the configuration would augment it."""

    name: str
    open: Callable[[Split], HandDataset]  # ValueError: there is no such split
    settings: Mapping[str, Augmentation]  # by the part of the objective, or of `PLAIN` alone
    seed: int


def add_augmentations_tab(blocks: gr.Blocks, source: Source) -> None:
    """Builds the tab inside `blocks`, which is open."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=300):
            split = gr.Radio(list(SPLITS), value=SPLITS[0], label=f"split of {source.name}")
            index = gr.Slider(0, _last(source, SPLITS[0]), 0, step=1, label="sample")
            draw = gr.Slider(0, _DRAWS, 0, step=1, label="draw: other random numbers")
            joints = gr.Checkbox(True, label="joints")
            part, controls = _parts(source.settings)
        with gr.Column(scale=2, min_width=300, elem_classes="shown"):
            shown = gr.HTML(elem_id="pair")
            parameters = gr.HTML(elem_id="parameters")
            command = gr.HTML(elem_id="command")

    def show(*values: Any) -> tuple[str, ...]:
        return _shown(source, *values)

    inputs: list[Any] = [split, index, draw, joints, part, *controls]
    outputs = [shown, parameters, command]
    # Of a slider that is drawn, only the place where it is now matters.
    settings: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "always_last"}
    for control in inputs[1:]:
        control.change(show, inputs, outputs, **settings)
    chosen = split.change(lambda name: gr.Slider(maximum=_last(source, name)), split, index)
    chosen.then(show, inputs, outputs, **settings)
    blocks.load(show, inputs, outputs, show_progress="hidden")


def _shown(
    source: Source, split: Split, index: float, draw: float, joints: bool, part: str, *rest: Any
) -> tuple[str, str, str]:
    """Pictures, parameters and command, or what is wrong with the part's controls in `rest`."""
    base = source.settings[part]
    start = _NUM_CONTROLS * list(source.settings).index(part)
    own = rest[start : start + _NUM_CONTROLS]
    try:
        settings = changed(base, own[: len(CONTROLS)], own[len(CONTROLS) :])
        dataset = source.open(split)
        place, size = min(int(index), len(dataset) - 1), dataset.image_size
        sample = dataset[place]
        pair = make_pair(sample, settings, size=size, seed=source.seed, time=int(draw), index=place)
    except (ValueError, OSError) as error:
        return f'<p class="error">{escape(str(error))}</p>', "", ""
    command = _command(overrides(settings, base, part=part))
    return pictures_html(pair, joints=joints), parameters_html(pair, size=size), command


def _last(source: Source, split: Split) -> int:
    """The number of a split's last sample; 1 where the split is not there, which `show` tells."""
    try:
        return max(1, len(source.open(split)) - 1)
    except (ValueError, OSError):
        return 1


def _parts(settings: Mapping[str, Augmentation]) -> tuple[gr.Radio, list[Any]]:
    """The choice of a part, hidden without parts, and the controls of all, one after the other."""
    first, *others = settings
    part = gr.Radio(
        list(settings),
        value=first,
        label="part of the objective, each on views of its own",
        visible=first != PLAIN,
        elem_id="part",
    )
    controls, columns = [], []
    for name, own in settings.items():
        with gr.Column(visible=name == first) as column:
            controls += _controls(name, own)
        columns.append(column)
    if others:
        part.change(
            lambda chosen: [gr.Column(visible=n == chosen) for n in settings], part, columns
        )
    return part, controls


def _controls(part: str, settings: Augmentation) -> list[Any]:
    """The switches in the order of `CONTROLS`, then the sliders in that of `SLIDERS`."""
    switches, sliders = [], []
    for control in CONTROLS:
        with gr.Group(elem_classes="control"):
            on = getattr(settings, control.switch)
            identity = _identity(part, control.switch)
            switches.append(gr.Checkbox(on, label=control.title, elem_id=identity))
            if control.sliders:
                place = _identity(part, f"range-{control.switch}")
                with gr.Accordion("range", open=False, elem_id=place):
                    sliders += [_slider(slider, part, settings) for slider in control.sliders]
    what = "of colour drop, blur, noise, cut-out, Sobel"
    sliders.append(_slider(PROBABILITY, part, settings, what))
    assert len(switches) + len(sliders) == _NUM_CONTROLS
    return [*switches, *sliders]


def _identity(part: str, name: str) -> str:
    """What a control is called on the page."""
    return f"{part}-{name}" if part else name


def _slider(
    slider: Slider, part: str, settings: Augmentation, info: str | None = None
) -> gr.Slider:
    """At the configuration's value, which widens the slider where it has to."""
    value = slider.value(settings)
    name = slider.field if slider.end is None else f"{slider.field}-{slider.end}"
    return gr.Slider(
        min(slider.low, value),
        max(slider.high, value),
        value,
        step=slider.step,
        label=slider.label,
        info=info,
        elem_id=_identity(part, name),
    )


def _command(lines: list[str]) -> str:
    """What train.py has to be told to do this."""
    words = shlex.join(lines) if lines else "as configured"
    return f'<p class="note">For train.py: <code>{escape(words)}</code></p>'
