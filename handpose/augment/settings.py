"""The settings of an augmentation: nine switches and their ranges."""

from collections.abc import Callable
from dataclasses import dataclass

Range = tuple[float, float]


# Lowest and highest value of each number, or of both ends of each range.
BOUNDS: dict[str, Range] = {
    "angle": (-180, 180),
    "shift": (-1, 1),
    "margin": (0.05, 20),
    "margin_range": (0.05, 20),
    # Two hue shifts must differ by less than half a turn, or their difference is ambiguous.
    "hue": (-90, 90),
    "saturation": (0.001, 100),
    "gain": (0.001, 100),
    "bias": (-255, 255),
    "blur_sigma": (0.01, 100),
    "noise_std": (0, 255),
    "cut_out_side": (0, 1),
    "probability": (0, 1),
    "strength": (0, 3),
}
SINGLE = ("margin", "noise_std", "probability", "strength")  # numbers, not ranges
# Allowed values of each setting that is a word, the default first.
WORDS = {
    "shift_along": ("source", "view"),
    "noise": ("symmetric", "one_sided"),
    "cut_out_at": ("anywhere", "joint"),
    "cut_out_fill": ("black", "grey"),
}


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """The nine augmentations of the paper's ablation, and the ranges they draw from.

    The first four are tracked: `relative` can predict them. The defaults are `augment=full`.
    `strength` multiplies how far all ranges reach from what changes nothing (factors: in
    logarithms). The attributes hold the result, with a strength of 1.

    Raises:
        ValueError: A value is out of its bounds or not one of its words.
    """

    rotate: bool = True  # by `angle`
    crop: bool = True  # shift the crop by `shift`
    random_crop: bool = True  # scale it by `margin_range`; if off, its side is `margin` x box side
    colour_jitter: bool = True  # change `hue`, `saturation`, `gain` and `bias`
    colour_drop: bool = True  # replace the channels by their mean
    gaussian_blur: bool = True  # by `blur_sigma`
    gaussian_noise: bool = True  # of `noise_std`
    cut_out: bool = True  # erase a rectangle of sides `cut_out_side`
    sobel: bool = False  # replace the image by its gradient magnitude
    angle: Range = (-45, 45)  # degrees
    shift: Range = (-0.1, 0.1)  # box sides
    margin: float = 1.25  # crop side / box side
    margin_range: Range = (0.9, 1.5)  # crop side / box side
    hue: Range = (-45, 45)  # degrees
    saturation: Range = (0.2, 1.0)  # factor
    gain: Range = (0.5, 1.0)  # factor
    bias: Range = (5, 20)  # in 0..255
    blur_sigma: Range = (0.1, 2.0)  # px of the view
    noise_std: float = 25  # in 0..255
    cut_out_side: Range = (0, 0.16)  # sides of the view
    probability: float = 0.5  # of each of the last five switches
    strength: float = 1.0  # of all the above except `margin`; 0: no augmentation
    shift_along: str = "source"  # axes of the shift: the "source" image's, or the rotated "view"'s
    noise: str = "symmetric"  # or "one_sided": negative noise is 0, which brightens
    cut_out_at: str = "anywhere"  # or "joint": a square about a labelled joint, if there is one
    cut_out_fill: str = "black"  # or "grey": one random level

    @property
    def reads_joints(self) -> bool:
        """Whether the cut-out depends on joint labels."""
        return self.cut_out and self.cut_out_at == "joint"

    def __post_init__(self) -> None:
        """Checks the values; a configuration gives ranges as lists."""
        for name, (low, high) in BOUNDS.items():
            value = getattr(self, name)
            ends = (value, value) if name in SINGLE else tuple(value)
            if name not in SINGLE:
                object.__setattr__(self, name, ends)  # hashable
            if len(ends) != 2 or not low <= ends[0] <= ends[1] <= high:
                raise ValueError(
                    f"augment.{name}={list(ends)} is not a range [from, to] within [{low}, {high}]"
                )
        for name, words in WORDS.items():
            if (value := getattr(self, name)) not in words:
                raise ValueError(f"augment.{name}={value}: give {' or '.join(words)}")
        if self.strength != 1.0:
            self._apply_strength()

    def _apply_strength(self) -> None:
        """Scales all ranges, cut at their bounds, and sets the strength to 1."""
        strength, middle = self.strength, self.margin
        scale: dict[str, Callable[[float], float]] = {
            name: lambda x: x * strength
            for name in ("angle", "shift", "hue", "bias", "blur_sigma", "cut_out_side")
        }
        scale |= {name: lambda x: x**strength for name in ("saturation", "gain")}
        scale["margin_range"] = lambda x: middle * (x / middle) ** strength
        for name, scaled in scale.items():
            low, high = BOUNDS[name]
            ends = tuple(min(max(scaled(x), low), high) for x in getattr(self, name))
            object.__setattr__(self, name, ends)
        for name in ("noise_std", "probability"):
            object.__setattr__(self, name, min(getattr(self, name) * strength, BOUNDS[name][1]))
        object.__setattr__(self, "strength", 1.0)
