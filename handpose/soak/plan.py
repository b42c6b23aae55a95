"""What a soak runs, and for how long."""

from collections.abc import Sequence
from typing import NamedTuple

# Two stages that hold all that a resumed run must get right, small enough to be killed often.
SETTINGS = (
    *("trainer=cpu", "trainer.num_workers=2", "trainer.checkpoint_every_n_steps=5"),
    *("objective=relative", "head=regression", "backbone=resnet18", "report=false"),
    *("dataset=synthetic", "dataset.image_size=64", "dataset.num_train=300"),
)
_LENGTHS = "pretrain.max_epochs", "finetune.max_epochs"
_LEAST_SHARE = 0.1


class Timing(NamedTuple):
    """Seconds: of an epoch of each stage, and of all else that a start does."""

    start_up: float
    pretrain: float
    finetune: float


def settings(own: Sequence[str]) -> list[str]:
    """The overrides of the run: `SETTINGS`, and above them the user's own.

    Raises:
        ValueError: one of them is the soak's to choose.
    """
    for line in own:
        if line.lstrip("+").startswith("hydra"):
            raise ValueError(f"{line}: the soak chooses the directories of its two runs")
    return list({line.partition("=")[0]: line for line in (*SETTINGS, *own)}.values())


def has_length(overrides: Sequence[str]) -> bool:
    """Whether they say how many epochs there are."""
    return any(line.startswith(_LENGTHS) for line in overrides)


def of_epochs(pretrain: int, finetune: int) -> list[str]:
    """The overrides that make the stages so long."""
    return [f"{key}={n}" for key, n in zip(_LENGTHS, (pretrain, finetune), strict=True)]


def plan_epochs(timing: Timing, *, minutes: float, every: tuple[float, float]) -> tuple[int, int]:
    """Epochs of each stage with which a run that is killed every so often lasts `minutes`.

    Each interval begins with a start-up; what is left of them all goes to the stages in halves.

    Args:
        every: the shortest and the longest interval in seconds.
    """
    share = max(_LEAST_SHARE, 1 - timing.start_up / (sum(every) / 2))
    half = 60 * minutes * share / 2
    return max(1, round(half / timing.pretrain)), max(1, round(half / timing.finetune))
