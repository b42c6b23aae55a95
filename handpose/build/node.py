"""One node of the configuration -> the part that it describes."""

from dataclasses import dataclass
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig


@dataclass(frozen=True)
class Caps:
    """What `trainer=debug` allows at most; None for no limit."""

    max_epochs: int | None = None
    batches: int | None = None
    batch_size: int | None = None
    samples: int | None = None


def build_caps(cfg: DictConfig) -> Caps:
    """The caps of `cfg.trainer`."""
    return Caps(**(cfg.trainer.caps or {}))


def capped(value: int, cap: int | None) -> int:
    """`value`, at most `cap`."""
    return value if cap is None else min(value, cap)


def make(node: DictConfig, **supplied: Any) -> Any:
    """The part that `node` describes, given what the run supplies.

    In two steps, so that Hydra neither converts what is supplied nor wraps the part's own errors.
    """
    return instantiate(node, _partial_=True, _convert_="all")(**supplied)


def chosen(part: DictConfig) -> bool:
    """Whether the part is there at all: `objective=none` and `head=none` have no target."""
    return part.get("_target_") is not None
