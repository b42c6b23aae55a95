"""Detect diverged training and raise one error for it."""

from torch import Tensor, nn

from handpose.records import Prediction

# Weights of networks that learn are far smaller.
ABSURD_WEIGHT = 100.0
# Impossible for a hand, in crop pixels or reference bones.
ABSURD_PREDICTION = 1e6


class DivergedError(ValueError):
    """Training has diverged: weights or predictions are non-finite or absurdly large."""

    resumable = False  # the same steps would diverge again


def diverged(stage: str, what: str) -> DivergedError:
    """Build the error of a diverged stage.

    Args:
        stage: "pretrain" or "finetune".
        what: the evidence.
    """
    return DivergedError(
        f"{stage} has diverged: {what}. Start a new run with a lower optimizer.lr or "
        f"optimizer.weight_decay, or a longer {stage}.warmup_epochs"
    )


def check_predictions(prediction: Prediction) -> None:
    """Check that predictions are finite and of plausible size.

    Raises:
        DivergedError: some are not; gives the number of hands.
    """
    sane = (prediction.uvz.abs() < ABSURD_PREDICTION).flatten(1).all(1)  # False for NaN
    sane &= prediction.xyz.isfinite().flatten(1).all(1) & prediction.root_depth.isfinite()
    if count := int((~sane).sum()):
        what = "are non-finite or absurdly large"
        raise diverged("finetune", f"the predictions for {count} of {len(sane)} hands {what}")


def largest_weight(module: nn.Module) -> float:
    """Return the largest absolute value of all parameters."""
    largest: list[Tensor] = [p.detach().abs().amax() for p in module.parameters() if p.numel()]
    return max(map(float, largest), default=0.0)
