"""Reliability diagram: confidence against the share that is correct. N samples, J = 21 joints."""

import torch
from matplotlib.axes import Axes
from torch import Tensor

from handpose.evaluation import joint_errors, pose_errors
from handpose.evaluation.evaluation import Evaluation
from handpose.evaluation.joint_errors import JointErrors
from handpose.evaluation.pose_errors import ECE_BINS
from handpose.report.style import (
    BASELINE,
    MODEL,
    MUTED,
    SMALL,
    TRUTH,
    legend,
    new_figure,
    tidy,
    to_png,
)

_LEAST_IN_BIN = 5  # fewer say too little for a point
_TICKS = (0, 0.2, 0.4, 0.6, 0.8, 1)


def draw_reliability(evaluation: Evaluation) -> bytes | None:
    """Draws the share of correct joints and hands in each bin of confidence; None without any."""
    joints = joint_errors.calibration_gaps(evaluation)
    if not joints.valid.any():
        return None
    hands = joint_errors.hand_calibration_gaps(evaluation)
    figure = new_figure(5.0, 3.6)
    shares = figure.add_axes((0.11, 0.36, 0.6, 0.53))
    counts = figure.add_axes((0.11, 0.15, 0.6, 0.13))
    tidy(shares, title="Correct, by confidence", x="")
    tidy(counts, title="", x="confidence")
    shares.plot((0, 1), (0, 1), color=TRUTH, linewidth=1, linestyle=(0, (4, 2)), label="ideal")
    width = 0.4 / ECE_BINS
    for name, colour, errors, offset in (
        ("joints", MODEL, joints, -width),
        ("hands", BASELINE, hands, 0.0),
    ):
        confidence, correct, count = reliability_bins(errors)
        _draw_shares(shares, confidence, correct, count, f"{name}\nECE {_ece(errors)}", colour)
        centres = (torch.arange(ECE_BINS) + 0.5) / ECE_BINS + offset
        counts.bar(centres, count / count.sum(), width=width, color=colour, align="edge")
    _finish(shares, counts)
    return to_png(figure)


def reliability_bins(errors: JointErrors) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the mean confidence, the share that is correct, and the count of each bin, (15,).

    Args:
        errors: from `joint_errors.calibration_gaps` or `hand_calibration_gaps`.
    """
    gap = errors.values[errors.valid]
    is_correct = gap < 0
    confidence = gap + is_correct
    of_bin = (confidence * ECE_BINS).long().clamp(0, ECE_BINS - 1)
    nothing = gap.new_zeros(ECE_BINS)
    count = nothing.index_add(0, of_bin, torch.ones_like(gap))
    sums = (nothing.index_add(0, of_bin, part.to(gap.dtype)) for part in (confidence, is_correct))
    mean, share = (total / count.clamp(min=1) for total in sums)
    return mean, share, count


def _ece(errors: JointErrors) -> str:
    value = pose_errors.expected_calibration_error(errors.values, errors.valid)
    return f"{float(value):.3f}"


def _draw_shares(
    axes: Axes, confidence: Tensor, correct: Tensor, count: Tensor, label: str, colour: str
) -> None:
    shown = count >= _LEAST_IN_BIN
    axes.plot(
        confidence[shown],
        correct[shown],
        color=colour,
        linewidth=2,
        marker="o",
        markersize=4,
        label=label,
    )


def _finish(shares: Axes, counts: Axes) -> None:
    percent = [f"{100 * tick:.0f} %" for tick in _TICKS]
    shares.set(xlim=(0, 1), ylim=(0, 1.02))
    shares.set_yticks(_TICKS, percent)
    shares.set_xticks(_TICKS, [""] * len(_TICKS))
    counts.set(xlim=(0, 1), yticks=())
    counts.set_xticks(_TICKS, percent)
    counts.text(
        *(0.02, 0.95, "share of all"),
        va="top",
        fontsize=SMALL,
        color=MUTED,
        transform=counts.transAxes,
    )
    legend(shares, loc="center left", bbox_to_anchor=(1.01, 0.5), reverse=True)
