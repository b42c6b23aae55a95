"""The settings of an augmentation: nine switches and their ranges."""

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
}
SINGLE = ("margin", "noise_std", "probability")  # numbers, not ranges
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

    Args:
        rotate: Rotate by `angle`.
        crop: Shift the crop by `shift`.
        random_crop: Scale the crop by `margin_range`; if off, its side is `margin` x box side.
        colour_jitter: Change `hue`, `saturation`, `gain` and `bias`.
        colour_drop: Replace the channels by their mean.
        gaussian_blur: Blur by `blur_sigma`.
        gaussian_noise: Add noise of `noise_std`.
        cut_out: Erase a rectangle of sides `cut_out_side`.
        sobel: Replace the image by its gradient magnitude.
        angle: In degrees.
        shift: In box sides.
        margin: Crop side / box side.
        margin_range: Crop side / box side.
        hue: In degrees.
        saturation: Factor.
        gain: Factor.
        bias: In 0..255.
        blur_sigma: In px of the view.
        noise_std: In 0..255.
        cut_out_side: In sides of the view.
        probability: Of each of the last five switches.
        shift_along: Axes of the shift: "source" image, or rotated "view".
        noise: "symmetric", or "one_sided": negative noise is 0, which brightens.
        cut_out_at: "anywhere", or "joint": a square about a labelled joint, if there is one.
        cut_out_fill: "black", or "grey": one random level.

    Raises:
        ValueError: A value is out of its bounds or not one of its words.
    """

    rotate: bool = True
    crop: bool = True
    random_crop: bool = True
    colour_jitter: bool = True
    colour_drop: bool = True
    gaussian_blur: bool = True
    gaussian_noise: bool = True
    cut_out: bool = True
    sobel: bool = False
    angle: Range = (-45, 45)
    shift: Range = (-0.1, 0.1)
    margin: float = 1.25
    margin_range: Range = (0.9, 1.5)
    hue: Range = (-45, 45)
    saturation: Range = (0.2, 1.0)
    gain: Range = (0.5, 1.0)
    bias: Range = (5, 20)
    blur_sigma: Range = (0.1, 2.0)
    noise_std: float = 25
    cut_out_side: Range = (0, 0.16)
    probability: float = 0.5
    shift_along: str = "source"
    noise: str = "symmetric"
    cut_out_at: str = "anywhere"
    cut_out_fill: str = "black"

    @property
    def reads_joints(self) -> bool:
        """Whether the cut-out depends on joint labels."""
        return self.cut_out and self.cut_out_at == "joint"

    def __post_init__(self) -> None:
        """Checks the values; a configuration gives ranges as lists."""
        for name, (low, high) in BOUNDS.items():
            value = getattr(self, name)
            ends = (value, value) if name in SINGLE else tuple(value)
            if len(ends) != 2 or not low <= ends[0] <= ends[1] <= high:
                raise ValueError(
                    f"augment.{name}={list(ends)} is not a range [from, to] within [{low}, {high}]"
                )
        for name, words in WORDS.items():
            if (value := getattr(self, name)) not in words:
                raise ValueError(f"augment.{name}={value}: give {' or '.join(words)}")
