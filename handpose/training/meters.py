"""The numbers of a stage's speed, each declared once.

A step is a batch through the network: from the end of the step before it to its own end, without
validation. With gradient accumulation the optimizer takes several.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

STEP = "step_"  # prefix of metrics per step, after "<stage>/"


class Meter(NamedTuple):
    """A number of a stage."""

    name: str  # in results.json after "<stage>_"; ends with the unit
    label: str
    meaning: str
    better: Literal["lower", "higher"] = "lower"

    @property
    def step_name(self) -> str:
        """Name in metrics.csv and W&B, after "<stage>/"."""
        return f"{STEP}{self.name.removeprefix(STEP)}"


METERS = (
    Meter("images_per_second", "Images/s", "Images or views of all processes.", "higher"),
    Meter(
        "data_wait_percent",
        "Waiting for data",
        "Part of the time in which the device has nothing to do until the next batch is there.",
    ),
    Meter("step_p50_ms", "Step, median", "Half of the steps are faster."),
    Meter("step_p95_ms", "Step, 95th percentile", "A twentieth of the steps are slower."),
    Meter(
        "memory_mib",
        "Memory of the device",
        "Peak of the stage's tensors; on a CPU the memory of the process.",
    ),
    Meter(
        "host_memory_mib",
        "Memory of the process",
        "Peak of resident memory since the process began, without data workers.",
    ),
    Meter(
        "mfu_percent",
        "FLOPs utilisation (MFU)",
        "FLOPs of the network in a second, over those that the device can do at this precision.",
        "higher",
    ),
)
# Deterministic, so not among the numbers that differ between equal runs.
FLOPS = Meter(
    "gflops_per_image",
    "GFLOPs per image",
    "Of the network, forward and backward, in an evaluation forward alone, counted by torch.",
)
# Ends of the names that differ between equal runs, in results.json and in metrics.csv.
TIMED = tuple(
    name
    for meter in METERS
    for name in (f"_{meter.name}", f"_{meter.name}_reason", meter.step_name)
)


def in_words(values: Mapping[str, float]) -> str:
    """Format meters for a log line: "512 images/s, data wait 3 %"; empty without steps."""
    if "images_per_second" not in values:
        return ""
    parts = [
        f"{values['images_per_second']:.0f} images/s",
        f"data wait {values['data_wait_percent']:.0f} %",
    ]
    if "mfu_percent" in values:
        parts.append(f"MFU {values['mfu_percent']:.0f} %")
    return ", ".join(parts)


def in_step_names(values: Mapping[str, float]) -> dict[str, float]:
    """Return the values by their names in metrics.csv."""
    return {meter.step_name: values[meter.name] for meter in METERS if meter.name in values}
