"""What other packages say that a user can do nothing about, silenced one by one; ours once.

A message that is not listed here is shown. Each has the reason why it may be left out.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# Starts of warnings, as regular expressions.
_WARNINGS = (
    # Lightning's use of a deprecated function of PyTorch's; a newer Lightning fixes it.
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    # Slurm's commands are installed, and the run was not started by srun: one process needs none.
    r"The `srun` command is available on your system but is not used",
    # Our loader resumes after the very batch of the checkpoint (`EpochSampler.start_at`).
    r"You're resuming from a checkpoint that ended before the epoch ended",
    # A run directory holds the checkpoints of the run that is resumed.
    r"Checkpoint directory .* exists and is not empty",
    # num_workers is by default as many as there are cores; one or none was chosen.
    r"The '.*' does not have many workers which may be a bottleneck",
    # A frozen encoder stays in evaluation mode.
    r"Found .* module\(s\) in eval mode at the start of training",
    # trainer.accelerator=cpu was chosen.
    r"GPU available but not used",
    # The loss scale of 16-mixed leaves its first steps out: the schedule is one step ahead.
    r"Detected call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`",
)
# One line of a logger: the first figure on a machine takes some seconds longer.
_FONTS, _FONTS_LINE = "matplotlib.font_manager", "Matplotlib is building the font cache"


def quieten() -> None:
    """Silences what is listed above, in this process and its data workers; may be called again."""
    for message in _WARNINGS:
        warnings.filterwarnings("ignore", message=message)
    # Lightning's list of devices and its tips, told by every trainer; the run tells its own.
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger(_FONTS).addFilter(_is_not_of_fonts)


def _is_not_of_fonts(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_FONTS_LINE)


class Once(logging.Filter):
    """Lets each warning of this package pass once."""

    def __init__(self) -> None:
        super().__init__()
        self._told: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno != logging.WARNING or not record.name.startswith("handpose"):
            return True
        text = record.getMessage()
        is_new = text not in self._told
        self._told.add(text)
        return is_new


@contextmanager
def told_once() -> Iterator[None]:
    """Within, what each of the log's handlers has told it does not tell again."""
    filters = [(handler, Once()) for handler in logging.getLogger().handlers]
    for handler, once in filters:
        handler.addFilter(once)
    try:
        yield
    finally:
        for handler, once in filters:
            handler.removeFilter(once)
