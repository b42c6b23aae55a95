"""Training that has diverged: one message, wherever it shows. N hands, J joints."""

from torch import Tensor, nn

from handpose.records import Prediction

# The weights of networks that learn are far below.
ABSURD_WEIGHT = 100.0
# Of no hand: px of the crop, or reference bones.
ABSURD_PREDICTION = 1e6


class DivergedError(ValueError):
    """Weights or predictions that are not finite, or absurdly large; says what to do."""

    resumable = False  # the same steps would end in the same way


def diverged(stage: str, what: str) -> DivergedError:
    """The error of a stage, "pretrain" or "finetune", that shows in `what`."""
    return DivergedError(
        f"{stage} has diverged: {what}. Begin a new run with a lower optimizer.lr or "
        f"optimizer.weight_decay, or a longer {stage}.warmup_epochs"
    )


def check_predictions(prediction: Prediction) -> None:
    """Refuses the predictions of a model that has diverged.

    Raises:
        DivergedError: some are not finite, or of no hand's size; says of how many hands.
    """
    sane = (prediction.uvz.abs() < ABSURD_PREDICTION).flatten(1).all(1)  # False for NaN
    sane &= prediction.xyz.isfinite().flatten(1).all(1) & prediction.root_depth.isfinite()
    if count := int((~sane).sum()):
        what = "are not finite, or of no hand's size"
        raise diverged("finetune", f"the predictions for {count} of {len(sane)} hands {what}")


def largest_weight(module: nn.Module) -> float:
    """The largest absolute value of all parameters."""
    largest: list[Tensor] = [p.detach().abs().amax() for p in module.parameters() if p.numel()]
    return max(map(float, largest), default=0.0)
