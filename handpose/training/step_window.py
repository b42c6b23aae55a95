"""Meters over the steps of a window."""

import resource
import sys
from array import array

import numpy as np
import torch


class Constants:
    """What does not change within a stage; None, with the reason, if unknown."""

    def __init__(self) -> None:
        self.flops_per_image: float | None = None
        self.peak: float | None = None  # FLOP/s of all devices
        self.reasons = {"flops_per_image": "no step was made", "peak": "no step was made"}

    @property
    def no_mfu(self) -> str:
        """Why there is no MFU; empty if there is one."""
        return next((why for name, why in self.reasons.items() if getattr(self, name) is None), "")


class Window:
    """Means over the steps since `reset`, without the first steps of a stage if there are others.

    Args:
        constants: FLOPs per image and FLOP/s that the devices can do, once they are known.
    """

    def __init__(self, constants: Constants) -> None:
        self._constants = constants
        self.reset()

    def reset(self) -> None:
        """Forget all steps."""
        self._images: dict[bool, int] = {True: 0, False: 0}  # by whether of the warm-up
        self._seconds = {True: array("d"), False: array("d")}
        self._waits = {True: 0.0, False: 0.0}

    def add(self, images: int, seconds: float, wait: float, *, warms_up: bool) -> None:
        """Add a step.

        Args:
            images: of all processes.
            seconds: length of the step.
            wait: seconds of it in which the device waited for data.
            warms_up: whether it is one of the first steps of the stage.
        """
        self._images[warms_up] += images
        self._seconds[warms_up].append(seconds)
        self._waits[warms_up] += wait

    def values(self, device: torch.device) -> dict[str, float]:
        """Return the meters by name; those that are unknown or need a step are left out.

        Args:
            device: of the stage.
        """
        which = not self._seconds[False]
        seconds = np.array(self._seconds[which])
        found = {"memory_mib": device_memory_mib(device), "host_memory_mib": host_memory_mib()}
        if not len(seconds):
            return found
        total = max(float(seconds.sum()), 1e-9)
        rate = self._images[which] / total
        p50, p95 = 1000 * np.percentile(seconds, (50, 95))
        found |= {"images_per_second": rate, "data_wait_percent": 100 * self._waits[which] / total}
        found |= {"step_p50_ms": float(p50), "step_p95_ms": float(p95)}
        per_image, peak = self._constants.flops_per_image, self._constants.peak
        if per_image is not None and peak is not None:
            found["mfu_percent"] = 100 * per_image * rate / peak
        return found


def device_memory_mib(device: torch.device) -> float:
    """Return the peak memory of a GPU's tensors, else that of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return host_memory_mib()


def host_memory_mib() -> float:
    """Return the peak resident memory of this process."""
    units = 2**20 if sys.platform == "darwin" else 2**10  # in a MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units
