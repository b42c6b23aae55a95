"""Callback: skip steps with a non-finite gradient, without waiting for the device."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer

from handpose.training.cadence import Cadence, waits
from handpose.training.divergence import ABSURD_WEIGHT, diverged, largest_weight
from handpose.training.snapshot import Snapshot

_log = logging.getLogger(__name__)

# Steps in a row without a finite gradient.
PATIENCE = 5
# Includes the 16 halvings of a loss scale of 2^16.
PATIENCE_SCALED = PATIENCE + 16
_SHOWN = 8  # samples of a bad batch in a message


class _Step(NamedTuple):
    """What is known of a step before its values are read."""

    number: int  # optimizer steps before it
    flags: Tensor  # (2,) bool, on the device: gradient not finite, every loss finite
    samples: list[Tensor]  # their index, of each batch


class NonFiniteGuard(pl.Callback):
    """Skip steps with a non-finite gradient; weights, momentum and buffers stay unchanged.

    `PATIENCE` skipped steps in a row stop the run. With loss scaling, a non-finite gradient of a
    finite loss is expected: the scale is too large. Such a step is not counted as skipped.

    On a GPU, a fused Adam or AdamW skips the step itself, and the steps are counted when `cadence`
    is due, before a validation and before a checkpoint. Other optimizers cannot, so each of their
    steps waits for the norm of its gradient, and is not made if that is not finite. On a CPU each
    step is counted at once.

    Args:
        cadence: steps at which skipped steps are counted.
        defers: whether counting waits for `cadence`; None if the device is a GPU.
    """

    def __init__(self, cadence: Cadence | None = None, *, defers: bool | None = None) -> None:
        self.cadence = cadence or Cadence(50)
        self.defers = defers
        self.skipped = 0
        self.norm = torch.zeros(())  # of the last step's gradient, before clipping
        self._skips = False  # whether the step is not made
        self._in_a_row = 0
        self._index: list[Tensor] = []  # of each batch of the step
        self._losses: list[Tensor] = []  # of each batch of the step
        self._pending: list[_Step] = []  # not counted yet
        self._is_told = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._trainer, self._module = trainer, pl_module
        self._parameters = [p for p in pl_module.parameters() if p.requires_grad]
        self._buffers = Snapshot(pl_module.buffers())
        for optimizer in trainer.optimizers:
            self._make_skippable(optimizer)

    def _make_skippable(self, optimizer: Optimizer) -> None:
        """Let the step compute its gradient first and do nothing else if the guard says so.

        Without gradients, many optimizers would still count the step, or fail.
        """
        step = optimizer.step

        @wraps(step)
        def guarded(closure: Callable[[], Any] | None = None) -> Any:
            loss = None if closure is None else closure()
            if not self._skips:
                step()
            return loss

        optimizer.step = guarded  # type: ignore[method-assign]

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._index, self._losses = [], []
            self._buffers.take()
        part = next(iter(batch.values())) if isinstance(batch, dict) else batch
        self._index.append(part.index.flatten())

    def on_before_backward(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor
    ) -> None:
        self._losses.append(loss.detach())

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        self.norm = torch.nn.utils.get_total_norm(gradients)
        is_bad = pl_module.skips_step = ~self.norm.isfinite()
        flags = torch.stack((is_bad, torch.stack(self._losses).isfinite().all()))
        step = _Step(trainer.global_step, flags, self._index)
        scaler = _scaler(trainer)
        if scaler is not None:  # it skips the step itself
            for found in scaler._found_inf_per_device(optimizer).values():
                found.copy_(torch.maximum(found, is_bad))
        self._skips = False
        if self._can_defer(pl_module, optimizer):
            self._buffers.restore(where=is_bad)
            if scaler is None:
                optimizer.grad_scale, optimizer.found_inf = None, is_bad.float()  # type: ignore[attr-defined]
            self._pending.append(step)
            return
        if is_bad:
            self._buffers.restore(where=is_bad)
            self._skips = True
        self._count([step])

    def _can_defer(self, pl_module: pl.LightningModule, optimizer: Optimizer) -> bool:
        """Return whether the step is counted later; say once why not on a GPU."""
        is_wanted = waits(pl_module.device) if self.defers is None else self.defers
        if is_wanted and not skips_by_itself(optimizer) and not self._is_told:
            self._is_told = True
            name = type(optimizer).__name__
            _log.info("%s cannot skip a step on the device; each step waits for its norm", name)
        return is_wanted and skips_by_itself(optimizer)

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        if self._pending and self.cadence.is_due(trainer):
            self.count()

    def on_validation_start(self, *args: Any) -> None:
        self.count()

    def on_train_end(self, *args: Any) -> None:
        self.count()

    def count(self) -> None:
        """Read and count the steps since the last time.

        Raises:
            ValueError: too many in a row had no finite gradient.
        """
        pending, self._pending = self._pending, []
        self._count(pending)

    def _count(self, steps: list[_Step]) -> None:
        flags = torch.stack([step.flags for step in steps]).tolist() if steps else []
        for step, (is_bad, has_finite_losses) in zip(steps, flags, strict=True):
            self._in_a_row = self._in_a_row + 1 if is_bad else 0
            if is_bad:
                self._note(step, has_finite_losses=has_finite_losses)

    def _note(self, step: _Step, *, has_finite_losses: bool) -> None:
        """Count a skipped step and log its samples; raise after too many in a row."""
        is_scaled = _scaler(self._trainer) is not None
        if is_scaled and has_finite_losses and self._in_a_row < PATIENCE_SCALED:
            _log.info("step %d: gradient overflow, the loss scale is halved", step.number)
            return
        self.skipped += 1
        stage = getattr(self._module, "stage", "training")
        samples = _keys(self._trainer, torch.cat(step.samples).unique().tolist())
        _log.warning(
            "%s, step %d: the gradient is not finite; step skipped (samples: %s)",
            *(stage, step.number, samples),
        )
        if self._in_a_row < (PATIENCE_SCALED if is_scaled else PATIENCE):
            return
        what = f"{self._in_a_row} steps in a row without a finite gradient"
        if (largest := largest_weight(self._module)) > ABSURD_WEIGHT:
            raise diverged(stage, f"{what}, and weights of up to {largest:.0e}")
        raise ValueError(
            f"{stage}: {what}, the last at step {step.number} with {samples}. Fix "
            "their labels (handpose doctor) and resume, or start a new run with a lower "
            "optimizer.lr or trainer.precision=32-true. The weights in the last checkpoint are "
            "finite"
        )

    def state_dict(self) -> dict[str, Any]:
        self.count()
        return {"skipped": self.skipped, "in_a_row": self._in_a_row}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.skipped = state_dict["skipped"]
        self._in_a_row = state_dict.get("in_a_row", 0)  # older checkpoints lack it


def skips_by_itself(optimizer: Optimizer) -> bool:
    """Return whether the optimizer skips a step on the device if its `found_inf` is 1.

    Torch's fused Adam and AdamW do, as `torch.amp.GradScaler` uses them.
    """
    is_adam = isinstance(optimizer, torch.optim.Adam | torch.optim.AdamW)
    return is_adam and all(group.get("fused") for group in optimizer.param_groups)


def _scaler(trainer: pl.Trainer) -> Any:
    """Return the gradient scaler of 16-mixed; None in other precisions."""
    return getattr(trainer.precision_plugin, "scaler", None)


def _keys(trainer: pl.Trainer, indices: list[int]) -> str:
    """Return the keys of the first samples of a batch."""
    loader: Any = trainer.train_dataloader
    keys = [loader.dataset.source[index].key for index in indices[:_SHOWN]]
    return ", ".join(keys) + (f" and {len(indices) - _SHOWN} more" if indices[_SHOWN:] else "")
