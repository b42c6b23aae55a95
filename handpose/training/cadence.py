"""When a stage reads values from its device, and whether reading makes it wait."""

import pytorch_lightning as pl
import torch

_LEAST = 20  # reads of a stage, if it has as many steps


class Cadence:
    """The steps whose values are read: the first and every n-th.

    A read makes the program wait until a GPU has finished all its work, and the GPU then waits for
    the program. So callbacks keep their values on the device and read them at these steps only.

    Args:
        every_n_steps: optimizer steps; reduced if a stage would have fewer than 20 reads.
    """

    def __init__(self, every_n_steps: int) -> None:
        self.every_n_steps = every_n_steps
        self._every: int | None = None

    def is_due(self, trainer: pl.Trainer) -> bool:
        """Return whether to read after the batch that is done, the last one of its step."""
        if trainer.fit_loop._should_accumulate():
            return False
        if self._every is None:
            steps = int(trainer.estimated_stepping_batches)
            self._every = max(1, min(self.every_n_steps, steps // _LEAST))
        return trainer.global_step == 1 or trainer.global_step % self._every == 0


def waits(device: torch.device) -> bool:
    """Return whether reading a value makes the program wait for the device."""
    return device.type != "cpu"
