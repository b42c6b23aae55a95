"""Checks of a multirun: its launcher, its sweeper, and the values that a sweep can take."""

import math
import shutil
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from itertools import product
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override, Transformer

from handpose.config.schema import Rule

LAUNCHER, SWEEPER = "hydra/launcher", "hydra/sweeper"
# Module and package of each launcher that is not part of Hydra.
_SUBMITIT = ("hydra_plugins.hydra_submitit_launcher", "hydra-submitit-launcher")
_NEEDS = dict.fromkeys(("slurm", "submitit_slurm", "submitit_local"), _SUBMITIT)
_NEEDS["joblib"] = ("hydra_plugins.hydra_joblib_launcher", "hydra-joblib-launcher")
_INSTALL = 'run `pip install "handpose[sweep]"` (in a clone: `pip install -e ".[sweep]"`)'
# {sweeper of another project: why it does not work here, and what to write instead}
_UNUSABLE = {
    "ax": "hydra-ax-sweeper 1.2 cannot be imported by Python 3.11, and needs ax-platform<0.2.1; "
    f"write {SWEEPER}=optuna hydra.sweeper.sampler=gp for Bayesian optimization",
    "nevergrad": "hydra-nevergrad-sweeper 1.2 cannot be imported by Python 3.11, and needs "
    f"numpy<1.20; write {SWEEPER}=optuna hydra.sweeper.sampler=cmaes for an evolution strategy",
}
# Keys that an adaptive sweep must not choose, and why.
_NOT_CHOSEN = {
    "seed": "would choose the luckiest seed; set one, and repeat the best cells with other seeds "
    "in a sweep without hydra/sweeper",
    "evaluate": "decides what is measured, and is the same for all trials; set one value",
}
_MOST_COMBINATIONS = 256


def launcher_problem(name: str) -> str | None:
    """Return why a launcher cannot start anything here, and what to do."""
    module, package = _NEEDS.get(name, (None, None))
    if module and (find_spec("hydra_plugins") is None or find_spec(module) is None):
        return f"{LAUNCHER}={name}: needs {package}, which is not installed; {_INSTALL}"
    if name in ("slurm", "submitit_slurm") and shutil.which("sbatch") is None:
        return (
            f"{LAUNCHER}={name}: this machine has no sbatch; start the sweep where Slurm is, "
            f"leave {LAUNCHER} out to run one cell after the other, or choose joblib"
        )
    return None


def sweeper_problem(name: str) -> str | None:
    """Return why a sweeper cannot run here, and what to do."""
    if name in _UNUSABLE:
        return f"{SWEEPER}={name}: {_UNUSABLE[name]}"
    if name == "optuna" and find_spec("optuna") is None:
        return f"{SWEEPER}=optuna: needs optuna, which is not installed; {_INSTALL}"
    return None


def grid_problems(overrides: Sequence[Override]) -> list[str]:
    """Return a problem for each interval of a grid sweep, which has no end of values."""
    return [
        f"{o.input_line}: an interval has no list of values; list them, or add {SWEEPER}=optuna"
        for o in overrides
        if o.is_interval_sweep()
    ]


def adaptive_problems(
    overrides: Sequence[Override], *, rules: Mapping[str, Rule], has_head: bool, metric: Any
) -> list[str]:
    """Return the problems of an adaptive sweep.

    Args:
        overrides: of the command line and of `hydra.sweeper.params`.
        rules: of the keys.
        has_head: whether its runs fine-tune a head.
        metric: `sweep_metric`.
    """
    swept = [o for o in overrides if o.is_sweep_override()]
    if not swept:
        return [
            f"{SWEEPER}=optuna: no key has several values; write KEY=interval(LOW,HIGH), "
            "KEY=tag(log,interval(LOW,HIGH)), KEY=int(interval(LOW,HIGH)), KEY=range(FROM,TO) or "
            "KEY=VALUE,VALUE"
        ]
    problems = [
        f"{o.input_line}: an adaptive sweep {_NOT_CHOSEN[root]}"
        for o in swept
        if (root := (o.package or o.key_or_group).partition(".")[0]) in _NOT_CHOSEN
    ]
    problems += [
        f"{o.input_line}: takes whole numbers; write int(interval(LOW,HIGH))"
        for o in swept
        if isinstance(value := o.value(), IntervalSweep)
        and isinstance(value.start, float)
        and (rule := rules.get(o.key_or_group)) is not None
        and rule.kind is int
    ]
    if not has_head and metric is None:
        problems.append(
            "head=none: without a head there is no validation error to choose by; set "
            "sweep_metric=NAME, such as pretext_rank, a number of results.json"
        )
    return problems


def ends(overrides: Sequence[Override]) -> list[list[str]]:
    """Return the combinations of each override's lowest and highest value, and of all choices.

    Of too many combinations, each override takes its values with the first values of the others.

    Args:
        overrides: of the command line and of `hydra.sweeper.params`.
    """
    values = [_values(override) for override in overrides]
    if math.prod(map(len, values)) <= _MOST_COMBINATIONS:
        return [list(line) for line in product(*values)]
    firsts = [own[0] for own in values]
    lines = [
        [*firsts[:place], value, *firsts[place + 1 :]]
        for place, own in enumerate(values)
        for value in own[1:]
    ]
    return [firsts, *lines]


def _values(override: Override) -> list[str]:
    """Return an override once for each value to check."""
    if not override.is_sweep_override():
        return [str(override.input_line)]
    value: Any = override.value()
    key = override.get_key_element()
    if isinstance(value, IntervalSweep):
        return [f"{key}={value.start}", f"{key}={value.end}"]
    found = [f"{key}={v}" for v in override.sweep_iterator(transformer=Transformer.encode)]
    return found if override.is_choice_sweep() or len(found) < 3 else [found[0], found[-1]]
