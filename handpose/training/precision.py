"""Mixed precision that shows callbacks and clipping the true gradients."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.plugins.precision import MixedPrecision, Precision
from torch.optim import Optimizer


class UnscaledPrecision(MixedPrecision):
    """`MixedPrecision` that unscales gradients before callbacks and clipping, for any optimizer.

    A fused optimizer can unscale in its own step, so Lightning leaves it to do so and refuses
    clipping. `torch.amp.GradScaler` knows gradients that are unscaled already.
    """

    def optimizer_step(  # type: ignore[override]
        self,
        optimizer: Optimizer,
        model: pl.LightningModule,
        closure: Callable[[], Any],
        **kwargs: Any,
    ) -> Any:
        if self.scaler is None:
            return super().optimizer_step(optimizer, model=model, closure=closure, **kwargs)
        loss = closure()
        if loss is None:  # no backward pass, no gradients
            self._after_closure(model, optimizer)
            return loss
        self.scaler.unscale_(optimizer)
        self._after_closure(model, optimizer)
        output = self.scaler.step(optimizer, **kwargs)
        self.scaler.update()
        return output

    def clip_gradients(self, *args: Any, **kwargs: Any) -> None:
        Precision.clip_gradients(self, *args, **kwargs)
