"""What an augmentation may do: nine switches and their ranges."""

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
# What each setting that is a word may be, the default first.
WORDS = {
    "shift_along": ("source", "view"),
    "noise": ("symmetric", "one_sided"),
    "cut_out_at": ("anywhere", "joint"),
    "cut_out_fill": ("black", "grey"),
}


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """The nine augmentations of the paper's ablation as switches, and the ranges they draw from.

    The first four are tracked: `relative` can predict them. Units: degrees; fractions of the
    box's side; factors; px of the view; 0..255 for bias and noise. `probability` is that of each
    of the last five. With `random_crop` off the crop has side `margin` x box.

    The last four settings say how: the axes that the shift is measured along, those of the source
    or of the turned view; noise of both signs, or its negative half set to 0, which brightens; the
    cut-out anywhere in the view, or, where joints are labelled, a square about one of them; and
    the cut-out black, or of one random grey.
    """

    rotate: bool
    crop: bool
    random_crop: bool
    colour_jitter: bool
    colour_drop: bool
    gaussian_blur: bool
    gaussian_noise: bool
    cut_out: bool
    sobel: bool
    angle: Range
    shift: Range
    margin: float
    margin_range: Range
    hue: Range
    saturation: Range
    gain: Range
    bias: Range
    blur_sigma: Range
    noise_std: float
    cut_out_side: Range
    probability: float
    shift_along: str = "source"
    noise: str = "symmetric"
    cut_out_at: str = "anywhere"
    cut_out_fill: str = "black"

    @property
    def reads_joints(self) -> bool:
        """Whether joint labels decide where something is erased."""
        return self.cut_out and self.cut_out_at == "joint"

    def __post_init__(self) -> None:
        """Checks the values; a configuration gives them as lists."""
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
