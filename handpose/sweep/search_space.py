"""The search space of an adaptive sweep, from overrides in Hydra's sweep syntax."""

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import IntervalSweep, Override, Transformer

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_DIGITS = 4  # significant digits of a suggested number, so that names of cells are short


def distribution(override: Override) -> "BaseDistribution":
    """Return Optuna's distribution of an override.

    Args:
        override: `KEY=interval(1e-4,1e-2)`, `KEY=tag(log,interval(1e-4,1e-2))`,
            `KEY=int(interval(1,8))`, `KEY=range(1,5)`, `KEY=a,b` or `KEY=choice(a,b)`.
    """
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    value: Any = override.value()
    if isinstance(value, IntervalSweep):
        low, high, log = value.start, value.end, "log" in value.tags
        if isinstance(low, int) and isinstance(high, int):
            return IntDistribution(low, high, log=log)
        return FloatDistribution(float(low), float(high), log=log)  # type: ignore[arg-type]
    members: list[Any] = [*override.sweep_iterator(transformer=Transformer.encode)]
    steps = {b - a for a, b in pairwise(members) if override.is_range_sweep()}
    if len(steps) == 1 and all(isinstance(member, int) for member in members):
        step = steps.pop()
        if step > 0:
            return IntDistribution(members[0], members[-1], step=step)
    return CategoricalDistribution(list(dict.fromkeys(str(member) for member in members)))


def as_overrides(params: Mapping[str, Any], space: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the overrides of a trial: KEY=VALUE with numbers of 4 significant digits.

    Args:
        params: suggested values by key.
        space: their distributions by key.
    """
    return tuple(f"{key}={_text(params[key], own)}" for key, own in space.items())


def _text(value: Any, own: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    rounded = float(f"{value:.{_DIGITS}g}")
    return str(min(max(rounded, own.low), own.high))
