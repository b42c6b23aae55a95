"""Words for the numbers of a run: the base of every metric, and what training logs.

The metrics of the test split are declared in `metrics`.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Literal

from handpose.training.meters import FLOPS, METERS

PRETEXT = "pretext_"  # measured on held-out pairs after pre-training
UNTRAINED = "pretext_untrained_"  # the same before it
# By the end of a name.
_UNITS = {"mm": "mm", "px": "px", "deg": "°", "mib": "MiB", "ms": "ms", "percent": "%"}
_PARTS_OF_A_MAP = {
    "rotation": "rotation",
    "log_scale": "scale",
    "shift": "shift",
    "colour": "colour map",
}


@dataclass(frozen=True)
class LoggedMetric:
    """A number with its words.

    Attributes:
        name: key in results.json or metrics.csv, without the prefix of a stage or split. It ends
            with the unit.
        label: a few words.
        explanation: how to read it: what is granted or aligned, what a good value is.
        better: which way is better.
        chance: name of the number that a guess or the best constant gets; empty for none.
        is_judged: whether `better` means anything; False for a setting or a state.
    """

    name: str
    label: str
    explanation: str = ""
    _: KW_ONLY
    better: Literal["lower", "higher"] = "lower"
    chance: str = ""
    is_judged: bool = True

    @property
    def unit(self) -> str:
        """ "mm", "px", "°", "MiB", "ms", "%" or empty."""
        return _UNITS.get(self.name.rpartition("_")[2], "")

    @property
    def title(self) -> str:
        """Label and unit."""
        return f"{self.label}, {self.unit}" if self.unit else self.label


TRAINING_METRICS = (
    LoggedMetric("loss", "Loss"),
    LoggedMetric("epe2d_crop_px", "2D error in the crop"),
    LoggedMetric("rotation_error_deg", "Rotation error", chance="rotation_chance_deg"),
    LoggedMetric("log_scale_error", "Error of the log scale", chance="log_scale_chance"),
    LoggedMetric("top1", "Positive ranked first (top 1)", better="higher", chance="top1_chance"),
    LoggedMetric(
        "prediction_error",
        "Error of the predicted view",
        "Squared error of the other view's keypoints or embedding, predicted with the known map. "
        "1: as if nothing changed between the views.",
        chance="prediction_chance",
    ),
    LoggedMetric(
        "map_gain",
        "Gain of knowing the map",
        "Error with the map of another pair, minus the error with the true map. Above 0: the "
        "prediction uses the map, so what it is made from is equivariant.",
        better="higher",
    ),
    *(
        LoggedMetric(
            f"map_gain_{part}",
            f"Gain of knowing the {words}",
            f"As the gain of knowing the map, with the {words} alone of another pair.",
            better="higher",
        )
        for part, words in _PARTS_OF_A_MAP.items()
    ),
    LoggedMetric(
        "reconstruction_error",
        "Error of the hidden patches",
        "Squared error of their standardised pixels, predicted from the visible patches.",
        chance="reconstruction_chance",
    ),
    LoggedMetric(
        "alignment",
        "Alignment",
        "0: both views of a hand have the same embedding. Falls as invariance grows. A collapse "
        "if uniformity is 0 too.",
    ),
    LoggedMetric(
        "uniformity",
        "Uniformity",
        "Lower is better. −4: spread over the whole sphere. 0: all embeddings are equal. A rise to "
        "0 is a collapse.",
    ),
    LoggedMetric(
        "spread",
        "Spread",
        "Standard deviation of the unit embeddings per dimension, times √E. 1: as a Gaussian. 0 "
        "is a collapse.",
        better="higher",
    ),
    LoggedMetric(
        "rank",
        "Rank (RankMe)",
        "Number of directions in use. Higher is better. 1 is a collapse, a low plateau a partial "
        "one.",
        better="higher",
    ),
    LoggedMetric(
        "equivariance_error",
        "Equivariance error",
        "0: the rotation between two views can be read from their embeddings. 1: it is lost, by "
        "invariance or by collapse (see the rank).",
    ),
    LoggedMetric(
        "teacher_agreement",
        "Agreement with the teacher",
        "Mean cosine of a view's embeddings by backbone and teacher. 1: the teacher has caught up, "
        "or both have collapsed (see the spread).",
        better="higher",
    ),
    LoggedMetric(
        "probe_pa_epe_mm", "Probe: aligned 3D error (PA)", chance="probe_mean_pose_pa_epe_mm"
    ),
    LoggedMetric("step_loss", "Loss"),
    LoggedMetric("step_learning_rate", "Learning rate", is_judged=False),
    LoggedMetric("step_gradient_norm", "Gradient norm", is_judged=False),
    *(LoggedMetric(m.step_name, m.label, m.meaning, better=m.better) for m in METERS),
)
SPEED_METRICS = tuple(
    LoggedMetric(m.name, m.label, m.meaning, better=m.better) for m in (*METERS, FLOPS)
)


def undeclared(name: str) -> LoggedMetric:
    """Words for a number without a declaration, made from its name."""
    stem, _, end = name.rpartition("_")
    words = (stem if end in _UNITS else name).replace("_", " ").capitalize()
    chance = name.replace("_error", "_chance") if "_error" in name else f"{name}_chance"
    return LoggedMetric(name, words, chance=chance)
