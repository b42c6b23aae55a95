"""The augmentations tab: a sample, nine switches with sliders, and the pair of views.

Each part of an objective has its own switches and sliders; one part is visible at a time.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import gradio as gr

from handpose.augment.settings import Augmentation
from handpose.data.base import SPLITS, HandDataset, Split
from handpose.explore import FRAGMENTS
from handpose.explore.view_pairs import make_pair, pair_html, parameters_html
from handpose.messages import written
from handpose.report.html import fragment

PLAIN = ""  # key of an objective without parts
_DRAWS = 99


class Slider(NamedTuple):
    """One number of `Augmentation`: a field, or one end of a range."""

    field: str
    end: int | None  # 0: start of a range, 1: its end; None: the field is a number
    label: str
    low: float
    high: float
    step: float

    def value(self, settings: Augmentation) -> float:
        """Returns the number in these settings."""
        value = getattr(settings, self.field)
        return float(value if self.end is None else value[self.end])


class Control(NamedTuple):
    """An augmentation: its switch and the sliders below it."""

    switch: str
    title: str
    sliders: tuple[Slider, ...]


def _range(field: str, label: str, low: float, high: float, step: float) -> tuple[Slider, ...]:
    ends = enumerate(("from", "to"))
    return tuple(Slider(field, end, f"{label}, {word}", low, high, step) for end, word in ends)


_JITTER = (
    *_range("hue", "hue, degrees", -90, 90, 1),
    *_range("saturation", "saturation", 0.01, 2, 0.01),
    *_range("gain", "gain", 0.1, 2, 0.01),
    *_range("bias", "bias, of 255", -100, 100, 1),
)
CONTROLS = (
    Control("rotate", "Rotation", _range("angle", "degrees", -180, 180, 1)),
    Control("crop", "Shift", _range("shift", "of the box’s side", -0.5, 0.5, 0.01)),
    Control("random_crop", "Scale", _range("margin_range", "crop / box", 0.3, 3, 0.05)),
    Control("colour_jitter", "Colour jitter", _JITTER),
    Control("colour_drop", "Colour drop", ()),
    Control("gaussian_blur", "Blur", _range("blur_sigma", "sigma, px", 0.1, 10, 0.1)),
    Control("gaussian_noise", "Noise", (Slider("noise_std", None, "std, of 255", 0, 100, 1),)),
    Control("cut_out", "Cut-out", _range("cut_out_side", "of the view’s side", 0, 1, 0.01)),
    Control("sobel", "Sobel", ()),
)
_PROBABILITY = Slider("probability", None, "probability", 0, 1, 0.05)
SLIDERS = (*(slider for control in CONTROLS for slider in control.sliders), _PROBABILITY)
_NUM_CONTROLS = len(CONTROLS) + len(SLIDERS)  # of a part


def changed(
    settings: Augmentation, switches: Sequence[bool], values: Sequence[float]
) -> Augmentation:
    """Returns settings with the controls applied.

    Args:
        settings: the configured augmentation.
        switches: states in the order of `CONTROLS`.
        values: numbers in the order of `SLIDERS`.

    Raises:
        ValueError: a range ends below its start, or is out of bounds.
    """
    fields: dict[str, Any] = {c.switch: bool(on) for c, on in zip(CONTROLS, switches, strict=True)}
    for slider, value in zip(SLIDERS, values, strict=True):
        if slider.end is None:
            fields[slider.field] = float(value)
        else:
            fields[slider.field] = (*fields.get(slider.field, ()), float(value))
    return replace(settings, **fields)


def overrides(settings: Augmentation, base: Augmentation, *, part: str = PLAIN) -> list[str]:
    """Returns the overrides of train.py that lead from `base` to `settings`.

    Args:
        part: name of the objective's part, or PLAIN.
    """
    key = f"objective.parts.{part}.augment" if part else "augment"
    before = asdict(base)
    return [
        f"{key}.{name}={written(value)}"
        for name, value in asdict(settings).items()
        if written(value) != written(before[name])
    ]


class Source(NamedTuple):
    """A dataset, and how the configuration augments it."""

    name: str
    open: Callable[[Split], HandDataset]  # ValueError: there is no such split
    settings: Mapping[str, Augmentation]  # by the part of the objective, or `PLAIN` alone
    seed: int


def add_augmentations_tab(blocks: gr.Blocks, source: Source) -> None:
    """Builds the tab.

    Args:
        blocks: the open page.
        source: the data.
    """
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=300):
            split = gr.Radio(list(SPLITS), value=SPLITS[0], label=f"split of {source.name}")
            index = gr.Slider(0, _last(source, SPLITS[0]), 0, step=1, label="sample")
            draw = gr.Slider(0, _DRAWS, 0, step=1, label="draw: other random numbers")
            joints = gr.Checkbox(True, label="joints")
            part, controls = _parts(source.settings)
        with gr.Column(scale=2, min_width=300, elem_classes="shown"):
            outputs = [gr.HTML(elem_id=name) for name in ("pair", "parameters", "command")]

    def show(*values: Any) -> tuple[str, ...]:
        return _shown(source, *values)

    inputs: list[Any] = [split, index, draw, joints, part, *controls]
    # While a slider is dragged, only its latest position matters.
    settings: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "always_last"}
    for control in inputs[1:]:
        control.change(show, inputs, outputs, **settings)
    chosen = split.change(lambda name: gr.Slider(maximum=_last(source, name)), split, index)
    chosen.then(show, inputs, outputs, **settings)
    blocks.load(show, inputs, outputs, show_progress="hidden")


def _shown(
    source: Source, split: Split, index: float, draw: float, joints: bool, part: str, *rest: Any
) -> tuple[str, str, str]:
    """Returns images, parameters and command, or the error from the controls in `rest`."""
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
        return fragment(FRAGMENTS, "notes", lines=[error], kind="error"), "", ""
    words = shlex.join(overrides(settings, base, part=part)) or "as configured"
    command = fragment(FRAGMENTS, "command", text=words)
    return pair_html(pair, joints=joints), parameters_html(pair, size=size), command


def _last(source: Source, split: Split) -> int:
    """Returns the number of a split's last sample; 1 for a missing split, which `show` reports."""
    try:
        return max(1, len(source.open(split)) - 1)
    except (ValueError, OSError):
        return 1


def _parts(settings: Mapping[str, Augmentation]) -> tuple[gr.Radio, list[Any]]:
    """Builds the choice of a part, hidden without parts, and the controls of all parts."""
    first, *others = settings
    part = gr.Radio(
        list(settings),
        value=first,
        label="part of the objective, each with its own views",
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
    """Builds the switches in the order of `CONTROLS`, then the sliders in that of `SLIDERS`."""
    switches, sliders, prefix = [], [], f"{part}-" if part else ""
    for control in CONTROLS:
        with gr.Group(elem_classes="control"):
            on, name = getattr(settings, control.switch), f"{prefix}{control.switch}"
            switches.append(gr.Checkbox(on, label=control.title, elem_id=name))
            if control.sliders:
                with gr.Accordion("range", open=False, elem_id=f"{prefix}range-{control.switch}"):
                    sliders += [_slider(slider, prefix, settings) for slider in control.sliders]
    info = "of colour drop, blur, noise, cut-out, Sobel"
    sliders.append(_slider(_PROBABILITY, prefix, settings, info=info))
    return [*switches, *sliders]


def _slider(slider: Slider, prefix: str, settings: Augmentation, **more: Any) -> gr.Slider:
    """Builds a slider at the configured value, with wider bounds where necessary."""
    value = slider.value(settings)
    name = slider.field if slider.end is None else f"{slider.field}-{slider.end}"
    low, high, label = min(slider.low, value), max(slider.high, value), slider.label
    return gr.Slider(
        low, high, value, step=slider.step, label=label, elem_id=f"{prefix}{name}", **more
    )
