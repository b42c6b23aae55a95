"""Silence messages of other packages that need no action, and repeated warnings of our own.

Messages that are not listed here are shown. Each entry has a reason.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# Regular expressions for the start of a warning.
_WARNINGS = (
    # Lightning calls a deprecated PyTorch function; a newer Lightning fixes it.
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    # Slurm is installed, but a run of one process needs no srun.
    r"The `srun` command is available on your system but is not used",
    # Our loader resumes at the exact batch (`EpochSampler.start_at`).
    r"You're resuming from a checkpoint that ended before the epoch ended",
    # A resumed run has checkpoints already.
    r"Checkpoint directory .* exists and is not empty",
    # The default num_workers uses all cores; the user chose fewer.
    r"The '.*' does not have many workers which may be a bottleneck",
    # A frozen encoder stays in evaluation mode.
    r"Found .* module\(s\) in eval mode at the start of training",
    # trainer.accelerator=cpu was chosen.
    r"GPU available but not used",
    # The loss scaling of 16-mixed skips the first steps; the schedule is one step ahead.
    r"Detected call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`",
)
# Logged once per machine, at the first figure.
_FONTS, _FONTS_LINE = "matplotlib.font_manager", "Matplotlib is building the font cache"


def quieten() -> None:
    """Silence the listed messages in this process and its data workers; idempotent."""
    for message in _WARNINGS:
        warnings.filterwarnings("ignore", message=message)
    # Lightning's tips and list of devices; the run logs its devices itself.
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger(_FONTS).addFilter(_is_not_of_fonts)


def _is_not_of_fonts(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_FONTS_LINE)


class Once(logging.Filter):
    """Let each warning of this package pass once."""

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
    """Show each warning once per log handler while the block runs."""
    filters = [(handler, Once()) for handler in logging.getLogger().handlers]
    for handler, once in filters:
        handler.addFilter(once)
    try:
        yield
    finally:
        for handler, once in filters:
            handler.removeFilter(once)
