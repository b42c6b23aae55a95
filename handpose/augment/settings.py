"""What an augmentation may do: nine switches and their ranges."""

from dataclasses import dataclass

Range = tuple[float, float]


def _check_range(name: str, bounds: Range, low: float, high: float) -> None:
    """Raises ValueError unless low <= bounds[0] <= bounds[1] <= high."""
    if len(bounds) != 2 or not low <= bounds[0] <= bounds[1] <= high:
        raise ValueError(
            f"augment.{name}={list(bounds)} is not a range [from, to] within [{low}, {high}]"
        )


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """The nine augmentations of the paper's ablation as switches, and the ranges they draw from.

    The first four are tracked: `relative` can predict them. Units: degrees; fractions of the
    box's side; factors; px of the view; 0..255 for bias and noise. `probability` is that of each
    of the last five. With `random_crop` off the crop has side `margin` x box.
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

    def __post_init__(self) -> None:
        """Checks the ranges; a configuration gives them as lists."""
        _check_range("angle", self.angle, -180, 180)
        _check_range("shift", self.shift, -1, 1)
        _check_range("margin_range", self.margin_range, 0.05, 20)
        _check_range("margin", (self.margin, self.margin), 0.05, 20)
        # Two hue shifts must differ by less than half a turn, or their difference is ambiguous.
        _check_range("hue", self.hue, -90, 90)
        _check_range("saturation", self.saturation, 0.001, 100)
        _check_range("gain", self.gain, 0.001, 100)
        _check_range("bias", self.bias, -255, 255)
        _check_range("blur_sigma", self.blur_sigma, 0.01, 100)
        _check_range("noise_std", (self.noise_std, self.noise_std), 0, 255)
        _check_range("cut_out_side", self.cut_out_side, 0, 1)
        _check_range("probability", (self.probability, self.probability), 0, 1)
