"""The nine augmentations as switches and sliders, and the settings that these make."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple

from handpose.augment.settings import Augmentation
from handpose.messages import written


class Slider(NamedTuple):
    """One number of `Augmentation`: a field, or an end of a range."""

    field: str
    end: int | None  # 0: a range's from, 1: its to; None: the field is the number
    label: str
    low: float
    high: float
    step: float

    def value(self, settings: Augmentation) -> float:
        """What it stands at."""
        value = getattr(settings, self.field)
        return float(value if self.end is None else value[self.end])


class Control(NamedTuple):
    """An augmentation: its switch and the sliders below it."""

    switch: str
    title: str
    sliders: tuple[Slider, ...]


def _range(field: str, label: str, low: float, high: float, step: float) -> tuple[Slider, ...]:
    return tuple(
        Slider(field, end, f"{label}, {word}", low, high, step)
        for end, word in enumerate(("from", "to"))
    )


CONTROLS = (
    Control("rotate", "Rotation", _range("angle", "degrees", -180, 180, 1)),
    Control("crop", "Shift", _range("shift", "of the box’s side", -0.5, 0.5, 0.01)),
    Control("random_crop", "Scale", _range("margin_range", "crop / box", 0.3, 3, 0.05)),
    Control(
        "colour_jitter",
        "Colour jitter",
        (
            *_range("hue", "hue, degrees", -90, 90, 1),
            *_range("saturation", "saturation", 0.01, 2, 0.01),
            *_range("gain", "gain", 0.1, 2, 0.01),
            *_range("bias", "bias, of 255", -100, 100, 1),
        ),
    ),
    Control("colour_drop", "Colour drop", ()),
    Control("gaussian_blur", "Blur", _range("blur_sigma", "sigma, px", 0.1, 10, 0.1)),
    Control("gaussian_noise", "Noise", (Slider("noise_std", None, "std, of 255", 0, 100, 1),)),
    Control("cut_out", "Cut-out", _range("cut_out_side", "of the view’s side", 0, 1, 0.01)),
    Control("sobel", "Sobel", ()),
)
PLAIN = ""  # in the place of a part's name: the objective has no parts
# Of all that is not tracked.
PROBABILITY = Slider("probability", None, "probability", 0, 1, 0.05)
SLIDERS = (*(slider for control in CONTROLS for slider in control.sliders), PROBABILITY)


def changed(
    settings: Augmentation, switches: Sequence[bool], values: Sequence[float]
) -> Augmentation:
    """`settings` with these switches, in the order of `CONTROLS`, and values, in that of `SLIDERS`.

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
    """What train.py is told to get `settings` where the configuration has `base`.

    Args:
        part: of the objective, whose views these are.
    """
    key = f"objective.parts.{part}.augment" if part else "augment"
    before = asdict(base)
    return [
        f"{key}.{name}={written(value)}"
        for name, value in asdict(settings).items()
        if written(value) != written(before[name])
    ]
