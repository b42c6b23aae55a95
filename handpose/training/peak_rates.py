"""The most FLOP/s that GPUs can do, from NVIDIA's data sheets and architecture whitepapers.

Rates of dense matrices in TFLOP/s: a data sheet's numbers "with sparsity" are halved. For bf16 and
fp16 those that sum up in float32, as torch does.
"""

import re
from typing import NamedTuple

import torch


class Rates(NamedTuple):
    """TFLOP/s by number format; None if the GPU lacks it."""

    bf16: float | None
    fp16: float
    tf32: float | None
    fp32: float


_HOPPER = Rates(989.4, 989.4, 494.7, 66.9)
_HOPPER_NVL = Rates(835.5, 835.5, 417.5, 60.0)
_AMPERE = Rates(312, 312, 156, 19.5)
# The first pattern that a name has counts. Names are those of torch.cuda.get_device_name.
_GPUS: tuple[tuple[str, Rates], ...] = (
    (r"H[12]00 NVL", _HOPPER_NVL),
    (r"H100 PCIe", Rates(756, 756, 378, 51.2)),
    (r"H200|H100 80GB HBM3|H100 SXM\w*", _HOPPER),
    (r"A100[- ].*", _AMPERE),
    (r"A30", Rates(165, 165, 82, 10.3)),
    (r"A40", Rates(149.7, 149.7, 74.8, 37.4)),
    (r"A10", Rates(125, 125, 62.5, 31.2)),
    (r"L40S", Rates(362, 362, 183, 91.6)),
    (r"L40", Rates(181, 181, 90.5, 90.5)),
    (r"L4", Rates(121, 121, 60, 30.3)),
    (r"RTX A6000", Rates(154.8, 154.8, 77.4, 38.7)),
    (r"RTX 4090", Rates(165.2, 165.2, 82.6, 82.6)),
    (r"RTX 3090", Rates(71, 71, 35.6, 35.6)),
    (r"V100S-PCIE-\d+GB", Rates(None, 130, None, 16.4)),
    (r"V100-PCIE-\d+GB", Rates(None, 112, None, 14.0)),
    (r"V100-SXM[23]-\d+GB.*", Rates(None, 125, None, 15.7)),
    (r"T4", Rates(None, 65, None, 8.1)),
)


def rates_of(name: str) -> Rates | None:
    """Return the rates of a GPU; None if they are not listed.

    Args:
        name: from torch, such as "NVIDIA A100-SXM4-40GB".
    """
    model = re.sub(r"^(NVIDIA|Tesla|GeForce|Quadro| )+", "", name).strip()
    return next((rates for own, rates in _GPUS if re.fullmatch(own, model)), None)


def number_format(precision: str) -> str:
    """Return the format in which convolutions compute, a field of `Rates`.

    Args:
        precision: Lightning's name, such as "bf16-mixed".
    """
    if precision.startswith("bf16"):
        return "bf16"
    if precision.startswith("16"):
        return "fp16"
    return "tf32" if _allows_tf32() else "fp32"


def _allows_tf32() -> bool:
    """Whether convolutions of float32 may compute in tf32, which is torch's default."""
    return bool(torch.backends.cudnn.allow_tf32)


def peak_flops(device: torch.device, precision: str) -> tuple[float | None, str]:
    """Return the FLOP/s of a device, or None and the reason.

    Args:
        device: of the stage.
        precision: Lightning's name, such as "bf16-mixed".
    """
    if device.type != "cuda":
        return None, "the peak FLOP/s of a CPU are not known"
    name, kind = torch.cuda.get_device_name(device), number_format(precision)
    rates = rates_of(name)
    if rates is None:
        return None, f"the peak FLOP/s of {name} are not listed"
    rate = getattr(rates, kind)
    if rate is None and kind == "tf32":
        rate = rates.fp32
    if rate is None:
        return None, f"{name} has no units for {kind}"
    return rate * 1e12, ""
