"""Packed crops that lie on the device during training. M crops in slots of P x Q px."""

import logging
import os
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

_log = logging.getLogger(__name__)

_SHARE = 0.5  # of the free memory; the model needs the rest
_BYTES_AT_ONCE = 1 << 28
_GB = 1e9


def free_bytes(device: torch.device) -> int:
    """Return the free memory of a device: a GPU's, or this machine's."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def misfit(num_bytes: int, device: torch.device) -> str | None:
    """Return why crops of this size cannot be resident; None if they fit.

    Args:
        num_bytes: of all crops.
        device: where they are to lie.
    """
    allowed = int(_SHARE * free_bytes(device))
    if num_bytes <= allowed:
        return None
    return (
        f"the packed crops take {num_bytes / _GB:.2f} GB, and half of the free memory of {device} "
        f"is {allowed / _GB:.2f} GB"
    )


def copy_to_device(
    gather: Callable[[np.ndarray], np.ndarray], places: np.ndarray, device: torch.device
) -> Tensor:
    """Copy crops (M, P, Q, 3) uint8 to a device, and log how long it takes.

    Args:
        gather: reads the crops of some places, in slots of one size.
        places: (M,) of the crops, in this order.
        device: where to copy them.
    """
    start = time.monotonic()
    slot = gather(places[:1])
    crops = torch.empty((len(places), *slot.shape[1:]), dtype=torch.uint8, device=device)
    at_once = max(1, _BYTES_AT_ONCE // slot.nbytes)
    parts = np.split(places, range(at_once, len(places), at_once))
    for own, chosen in zip(crops.split(at_once), parts, strict=True):
        own.copy_(torch.from_numpy(gather(chosen)))
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    _log.info(
        "resident data: %d packed crops, %.2f GB, copied to %s in %.1f s",
        *(len(places), crops.numel() / _GB, device, time.monotonic() - start),
    )
    return crops
