"""What a study is: the content of its file, checked as a whole.

An arm is a way to pre-train, null for none at all. Each arm is pre-trained once a seed; each
backbone is then fine-tuned with every head on every fraction of the labels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import Any

from handpose.study.fields import Fields, as_fraction, as_name, as_whole

_KEYS = (
    "name",
    "question",
    "metric",
    "better",
    "baseline",
    "compare",
    "constant",
    "seeds",
    "heads",
    "fractions",
    "common",
    "pretrain",
    "finetune",
    "tune",
)
# What the study itself sets in the runs, and by which of its keys.
_ALWAYS = {
    "seed": "seeds",
    "head": "heads",
    "finetune.label_fraction": "fractions",
    "evaluate.split": "tune",
    "sweep": "name",
}
_COMMON = _ALWAYS | {"objective": "pretrain.arms"}
# A fine-tuning starts from what its arm has pre-trained.
FINETUNING = _COMMON | {"backbone.weights": "pretrain.arms"}

Pair = tuple[str, str]


@dataclass(frozen=True)
class Tuning:
    """Settings of fine-tuning to choose from, on the validation split and with a seed of its own.

    Attributes:
        metric: a number of results.json, computed on the validation split.
        fractions: of the labels, at which they are tried.
        candidates: name -> overrides.
    """

    seed: int
    metric: str
    fractions: tuple[float, ...]
    candidates: Mapping[str, tuple[str, ...]]

    def nearest(self, fraction: float) -> float:
        """The one of `fractions` whose choice holds for this one: the nearest by ratio."""
        return min(self.fractions, key=lambda tried: abs(log(tried / fraction)))


@dataclass(frozen=True)
class Study:
    """The plan of a study.

    Attributes:
        metric: a number of results.json; `better` says which end of it is good, lower or higher.
        baseline: the arm that each other one is compared with.
        compare: further pairs (arm, the arm it is compared with).
        constant: the number of results.json that a constant prediction gets; None for none.
        common, pretrain_common, finetune_common: overrides of all runs, or of a kind.
        arms: name -> the overrides of its pre-training; None without any.
        tuning: None where there is one setting alone.
    """

    name: str
    question: str
    metric: str
    better: str
    baseline: str
    compare: tuple[Pair, ...]
    constant: str | None
    seeds: tuple[int, ...]
    heads: tuple[str, ...]
    fractions: tuple[float, ...]
    common: tuple[str, ...]
    pretrain_common: tuple[str, ...]
    arms: Mapping[str, tuple[str, ...] | None]
    finetune_common: tuple[str, ...]
    tuning: Tuning | None

    @property
    def pairs(self) -> list[Pair]:
        """(arm, the arm it is compared with): each with the baseline, then the further ones."""
        return [(arm, self.baseline) for arm in self.arms if arm != self.baseline] + [*self.compare]


def parse_study(content: Any) -> Study:
    """The study that a file's content describes.

    Raises:
        ValueError: all that is wrong with it, a line each, with the nearest right name.
    """
    problems: list[str] = []
    top = Fields(content, "", _KEYS, problems)
    pretrain = top.level("pretrain", ("common", "arms"))
    arms = _arms(pretrain)
    study = Study(
        name=top.name("name"),
        question=top.text("question"),
        metric=top.text("metric"),
        better=top.text("better", among=("lower", "higher")),
        baseline=top.text("baseline", among=list(arms)),
        compare=_compare(top, arms),
        constant=top.text("constant") if top.content.get("constant") is not None else None,
        seeds=top.each("seeds", as_whole, "whole numbers"),
        heads=top.each("heads", as_name, "heads"),
        fractions=top.each("fractions", as_fraction, "numbers above 0, up to 1"),
        common=top.overrides("common", _COMMON),
        pretrain_common=pretrain.overrides("common", _ALWAYS),
        arms=arms,
        finetune_common=top.level("finetune", ("common",)).overrides("common", FINETUNING),
        tuning=_tuning(top),
    )
    if study.tuning and study.tuning.seed in study.seeds:
        problems.append(f"tune.seed: {study.tuning.seed} is one of seeds; choose one of its own")
    if problems:
        raise ValueError("\n".join(problems))
    return study


def _arms(pretrain: Fields) -> dict[str, tuple[str, ...] | None]:
    """The arms; each that pre-trains must say with which objective."""
    level = pretrain.level("arms", ())
    arms: dict[str, tuple[str, ...] | None] = {}
    for name in level.names(least=2):
        if level.content.get(name) is None:
            arms[name] = None
            continue
        arms[name] = lines = level.overrides(name, _ALWAYS)
        everything = [*(pretrain.content.get("common") or ()), *lines]
        if not any(str(line).startswith("objective=") for line in everything):
            level.note(name, "says no objective=NAME (null: no pre-training)")
    return arms


def _compare(top: Fields, arms: Mapping[str, object]) -> tuple[Pair, ...]:
    """Pairs of arms beside those with the baseline."""
    if top.content.get("compare") is None:
        return ()
    known = [(arm, top.content.get("baseline")) for arm in arms]

    def pair(value: Any) -> Pair | None:
        right = isinstance(value, list) and len(value) == 2 and value[0] != value[1]
        if not right or not all(isinstance(arm, str) and arm in arms for arm in value):
            return None
        return None if tuple(value) in known else (value[0], value[1])

    return top.each("compare", pair, "pairs [arm, arm] that are not compared already")


def _tuning(top: Fields) -> Tuning | None:
    if top.content.get("tune") is None:
        return None
    tune = top.level("tune", ("seed", "metric", "fractions", "candidates"))
    level = tune.level("candidates", ())
    return Tuning(
        seed=tune.whole("seed"),
        metric=tune.text("metric", default=str(top.content.get("metric"))),
        fractions=_tried(top, tune),
        candidates={name: level.overrides(name, FINETUNING) for name in level.names(least=2)},
    )


def _tried(top: Fields, tune: Fields) -> tuple[float, ...]:
    """The fractions that settings are tried at: all of the study's, unless it names some."""
    known = top.content.get("fractions")
    if tune.content.get("fractions") is None:
        return tuple(map(float, filter(as_fraction, known))) if isinstance(known, list) else ()

    def one_of_them(value: Any) -> float | None:
        return as_fraction(value) if isinstance(known, list) and value in known else None

    return tune.each("fractions", one_of_them, "fractions of the study")
