"""Measure each step of a trainer: its time, and how long its device waits for the batch.

On a CPU both are times of the program. A GPU works behind the program, so events are recorded on
its stream. A wait is the time between two of them, before and after the program asks for the next
batch: nothing, if the GPU still has work. They are read when the stage reads its device anyway.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from pytorch_lightning.profilers import Profiler

from handpose.training.cadence import Cadence, waits
from handpose.training.flops import predicted_flops, trained_flops
from handpose.training.meters import FLOPS, METERS
from handpose.training.peak_rates import peak_flops
from handpose.training.run_log import num_images
from handpose.training.step_window import Constants, Window

WARM_UP = 10  # steps that are not counted, at most half of a stage
_PENDING = 1000  # steps whose events are kept
# What Lightning calls the program's request for the next batch.
_REQUESTS = ("train_dataloader_next", "predict_next")


class HostClock:
    """The time of the program."""

    def mark(self) -> float:
        """Return a mark of now."""
        return time.perf_counter()

    def seconds(self, first: float, last: float) -> float:
        """Return the seconds between two marks."""
        return last - first


class CudaClock:
    """The time at which a GPU gets to what the program gave it before a mark.

    Args:
        device: whose current stream is marked.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def mark(self) -> torch.cuda.Event:
        """Return an event on the stream."""
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        return event

    def seconds(self, first: torch.cuda.Event, last: torch.cuda.Event) -> float:
        """Return the seconds between two events, after waiting for the last."""
        last.synchronize()
        return first.elapsed_time(last) / 1000


class _Step(NamedTuple):
    """Marks of a step, and its images over all processes."""

    images: int
    begin: Any  # end of the step before
    asked: Any
    got: Any
    end: Any
    warms_up: bool


class _Requests(Profiler):
    """Tells when Lightning asks for a batch, and when it has one; the user's profiler works on."""

    def __init__(self, inner: Profiler, asks: Callable[[], None], gets: Callable[[], None]) -> None:
        super().__init__()
        self.inner, self.asks, self.gets = inner, asks, gets

    def start(self, action_name: str) -> None:
        if action_name.endswith(_REQUESTS):
            self.asks()
        self.inner.start(action_name)

    def stop(self, action_name: str) -> None:
        self.inner.stop(action_name)
        if action_name.endswith(_REQUESTS):
            self.gets()

    def summary(self) -> str:
        return self.inner.summary()

    def describe(self) -> None:
        self.inner.describe()

    def teardown(self, stage: str | None) -> None:
        super().teardown(stage)
        self.inner.teardown(stage)


class StepMeter(pl.Callback):
    """Add each step to all windows; must come before the callbacks that read them.

    Args:
        cadence: steps at which a GPU is read; None: at the end only.
    """

    def __init__(self, cadence: Cadence | None = None) -> None:
        self.cadence = cadence
        self._constants = Constants()
        self._windows: list[Window] = []
        self._whole = self.window()
        self._clock: HostClock | CudaClock = HostClock()
        self._device = torch.device("cpu")
        self._pending: list[_Step] = []
        self._done = 0  # steps
        self._warm_up = 0  # steps
        self._begin: Any = self._clock.mark()
        self._asked: Any = self._begin
        self._got: Any = self._begin

    def window(self) -> Window:
        """Return a window to which each further step is added."""
        window = Window(self._constants)
        self._windows.append(window)
        return window

    def results(self, stage: str) -> dict[str, float | str | None]:
        """Return the meters of all steps of this process for results.json, null with a reason.

        Args:
            stage: prefix of the names.
        """
        values: dict[str, float | None] = dict(self._whole.values(self._device))
        if (flops := self._constants.flops_per_image) is not None:
            values[FLOPS.name] = flops / 1e9
        reasons = {"mfu_percent": self._constants.no_mfu}
        reasons[FLOPS.name] = self._constants.reasons["flops_per_image"]
        found: dict[str, float | str | None] = {}
        for name in (*(meter.name for meter in METERS), FLOPS.name):
            found[f"{stage}_{name}"] = values.get(name)
            if name not in values:
                found[f"{stage}_{name}_reason"] = reasons.get(name, "no step was made")
        return found

    def _start(self, trainer: pl.Trainer, steps: int, *, sharing: int) -> None:
        """Prepare for a number of steps, whose images `sharing` processes share."""
        self._device = trainer.strategy.root_device
        if self._device.type == "cuda":
            self._clock = CudaClock(self._device)
            torch.cuda.reset_peak_memory_stats(self._device)
        self._warm_up = min(WARM_UP, steps // 2)
        peak, reason = peak_flops(self._device, str(trainer.precision))
        self._constants.peak = None if peak is None else peak * sharing
        self._constants.reasons["peak"] = reason
        profiler = trainer.profiler  # type: ignore[attr-defined]
        trainer.profiler = _Requests(profiler, self._ask, self._get)  # type: ignore[attr-defined]
        self._begin = self._asked = self._got = self._clock.mark()

    def _ask(self) -> None:
        self._asked = self._clock.mark()

    def _get(self) -> None:
        self._got = self._clock.mark()

    def _count(self, count: Callable[[Any, Any], float], stage: Any, batch: Any) -> None:
        """Count the FLOPs per image; a network that refuses two samples has none."""
        try:
            self._constants.flops_per_image = count(stage, batch)
        except Exception as error:  # a meter must not stop a run
            reason = f"FLOPs could not be counted: {type(error).__name__}: {error}"
            self._constants.reasons["flops_per_image"] = reason

    def _end(self, images: int) -> None:
        marks = (self._begin, self._asked, self._got, self._clock.mark())
        self._pending.append(_Step(images, *marks, self._done < self._warm_up))
        self._begin = marks[-1]
        self._done += 1

    def _read(self, count: int | None = None) -> None:
        """Add the oldest steps to the windows, by default all."""
        steps, self._pending = self._pending[:count], self._pending[len(self._pending[:count]) :]
        for step in steps:
            seconds = self._clock.seconds(step.begin, step.end)
            wait = self._clock.seconds(step.asked, step.got)
            for window in self._windows:
                window.add(step.images, seconds, wait, warms_up=step.warms_up)

    def _read_if_free(self, *, is_due: bool) -> None:
        """Read all steps if it is due or costs nothing, and old ones if there are too many."""
        if is_due or not waits(self._device):
            self._read()
        elif len(self._pending) >= _PENDING:
            self._read(_PENDING // 2)  # the GPU has long done them

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        steps = int(trainer.estimated_stepping_batches) - trainer.global_step
        steps *= trainer.accumulate_grad_batches
        self._start(trainer, steps, sharing=trainer.world_size)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._begin = self._asked = self._got = self._clock.mark()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if self._done == 0:
            self._count(trained_flops, pl_module, batch)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self._end(num_images(batch) * trainer.world_size)
        self._read_if_free(is_due=self.cadence is not None and self.cadence.is_due(trainer))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._read()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._read()

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # each process predicts all images
        self._start(trainer, int(sum(trainer.num_predict_batches)), sharing=1)

    def on_predict_batch_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if self._done == 0:
            self._count(predicted_flops, pl_module, batch)

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._end(num_images(batch))
        self._read_if_free(is_due=False)

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._read()
