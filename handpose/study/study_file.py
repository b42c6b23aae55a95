"""The YAML file of a study: its keys, checked as a whole.

An arm is one way to pre-train, or null for no pre-training. Each arm is pre-trained once per seed.
Each backbone is then fine-tuned with every head on every fraction of the labels.
"""

from collections.abc import Iterator
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator

from handpose.messages import did_you_mean, nearest
from handpose.study.planned_runs import override_problem, unread_problem
from handpose.study.study_keys import (
    Condition,
    Finetuning,
    Fraction,
    Level,
    Lines,
    Name,
    Pairs,
    Place,
    Pretraining,
    Primary,
    Seed,
    Several,
    Text,
    Tuning,
    unknown,
)

# {key that the study sets in its runs: the key of the study for it}
_ALWAYS_SET = {
    "seed": "seeds",
    "head": "heads",
    "finetune.label_fraction": "fractions",
    "evaluate.split": "tune",
    "sweep": "name",
}
_SET_IN_COMMON = _ALWAYS_SET | {"objective": "pretrain.arms"}
SET_IN_FINETUNING = _SET_IN_COMMON | {"backbone.weights": "pretrain.arms"}

# An empty condition changes nothing.
Use = Annotated[Condition, BeforeValidator(lambda keys: {} if keys is None else keys)]


class Study(Level):
    """The content of the file.

    Attributes:
        metric: a number of results.json; `better` says which end of it is good.
        common: overrides of all runs.
        baseline: the arm that every other arm is compared with.
        compare: further pairs (arm, the arm it is compared with).
        constant: the number of results.json for a constant prediction.
        conditions: uses of the arms' backbones, the most important first; None for a single one.
        primary: its comparisons are a family of their own; None if all are of one family.
        tune: None for a single setting.
    """

    name: Name
    question: Text
    metric: Text
    better: Literal["lower", "higher"]
    baseline: str
    compare: Pairs = ()
    constant: Text | None = None
    seeds: Several[Seed]
    heads: Several[Name]
    fractions: Several[Fraction]
    common: Lines = ()
    pretrain: Pretraining
    finetune: Finetuning = Finetuning()
    conditions: Annotated[dict[Name, Use], Field(min_length=1)] | None = None
    primary: Primary | None = None
    tune: Tuning | None = None

    @property
    def arms(self) -> dict[str, tuple[str, ...] | None]:
        """Name of each arm -> the overrides of its pre-training; None for no pre-training."""
        return self.pretrain.arms

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Each arm with the baseline, then the further pairs."""
        return [(arm, self.baseline) for arm in self.arms if arm != self.baseline] + [*self.compare]

    @property
    def uses(self) -> list[str | None]:
        """Names of the conditions in order of priority; [None] in a study without any."""
        return [*self.conditions] if self.conditions else [None]

    @property
    def places(self) -> list[Place]:
        """Every condition, head and fraction, in order of priority."""
        return [
            Place(condition, head, fraction)
            for condition in self.uses
            for head, fraction in product(self.heads_of(condition), self.fractions_of(condition))
        ]

    def arms_of(self, condition: str | None) -> list[str]:
        """Returns the arms that a condition has."""
        return self._kept("arms", condition)

    def heads_of(self, condition: str | None) -> list[str]:
        """Returns the heads that a condition has."""
        return self._kept("heads", condition)

    def fractions_of(self, condition: str | None) -> list[float]:
        """Returns the label fractions that a condition has."""
        return self._kept("fractions", condition)

    def seeds_of(self, condition: str | None) -> list[int]:
        """Returns the seeds that a condition has."""
        return self._kept("seeds", condition)

    def pairs_of(self, condition: str | None) -> list[tuple[str, str]]:
        """Returns the pairs whose two arms a condition has."""
        own = self.arms_of(condition)
        return [pair for pair in self.pairs if set(pair) <= set(own)]

    def _kept(self, key: str, condition: str | None) -> list[Any]:
        """Returns the values of a key that a condition has, in the study's order."""
        own = None if condition is None else getattr((self.conditions or {})[condition], key)
        return [value for value in getattr(self, key) if own is None or value in own]

    @model_validator(mode="before")
    @classmethod
    def _complete_tune(cls, content: Any) -> Any:
        """Fills `tune.metric` and `tune.fractions` from the study unless set."""
        if not isinstance(content, dict) or not isinstance(content.get("tune"), dict):
            return content
        defaults = {"metric": "?", "fractions": [1], **content}  # if missing: refused above
        defaults = {key: defaults[key] for key in ("metric", "fractions")}
        own = {key: value for key, value in content["tune"].items() if value is not None}
        return content | {"tune": defaults | own}

    @model_validator(mode="after")
    def _check_between_keys(self) -> "Study":
        problems = [*self._override_problems(), *self._arm_problems(), *self._tune_problems()]
        problems += [*self._condition_problems(), *self._primary_problems()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _override_problems(self) -> Iterator[str]:
        """Yields problems of overrides that the study itself sets, or cannot take."""
        groups = [("common", self.common, _SET_IN_COMMON)]
        groups += [("pretrain.common", self.pretrain.common, _ALWAYS_SET)]
        groups += [(f"pretrain.arms.{n}", a or (), _ALWAYS_SET) for n, a in self.arms.items()]
        finetuning = {"finetune.common": self.finetune.common}
        finetuning |= {f"finetune.arms.{n}": own for n, own in self.finetune.arms.items()}
        uses = self.conditions or {}
        finetuning |= {f"conditions.{n}.finetune": use.finetune for n, use in uses.items()}
        candidates = self.tune.candidates if self.tune else {}
        finetuning |= {f"tune.candidates.{n}": own for n, own in candidates.items()}
        groups += [(key, lines, SET_IN_FINETUNING) for key, lines in finetuning.items()]
        for key, lines, reserved in groups:
            for line in lines:
                if problem := override_problem(line, reserved) or _unread(key, line):
                    yield f"{key}: {problem}"

    def _arm_problems(self) -> Iterator[str]:
        for name, lines in self.arms.items():
            everything = [*self.pretrain.common, *(lines or ())]
            if lines is not None and not any(line.startswith("objective=") for line in everything):
                yield f"pretrain.arms.{name}: has no objective=NAME (null: no pre-training)"
        named = [("baseline", self.baseline), *(("finetune.arms", a) for a in self.finetune.arms)]
        for key, arm in named + [("compare", arm) for pair in self.compare for arm in pair]:
            if arm not in self.arms:
                yield unknown(key, arm, self.arms)
        for arm, against in self.compare:
            if against in (arm, self.baseline):
                yield f"compare: [{arm}, {against}] is compared already, or an arm with itself"

    def _condition_problems(self) -> Iterator[str]:
        """Yields problems of conditions that keep what the study does not have."""
        keys = ("arms", "heads", "fractions", "seeds")
        of_study = {key: getattr(self, key) for key in keys}
        for name, use in (self.conditions or {}).items():
            problems = use.narrowing_problems(of_study)
            yield from (f"conditions.{name}.{problem}" for problem in problems)

    def _primary_problems(self) -> Iterator[str]:
        """Yields the first part of the primary endpoint that the study does not run."""
        if self.primary is None:
            return
        condition, head, fraction = self.primary.place
        if self.conditions is None and condition is not None:
            yield "primary.condition: the study has no conditions; leave it out"
        elif self.conditions is not None and condition not in self.conditions:
            yield unknown("primary.condition", condition, self.conditions)
        elif head not in self.heads_of(condition):
            yield unknown("primary.head", head, self.heads_of(condition))
        elif fraction not in self.fractions_of(condition):
            yield unknown("primary.fraction", fraction, self.fractions_of(condition))
        elif not self.pairs_of(condition):
            yield f"primary.condition: {condition} has no two arms that are compared"

    def _tune_problems(self) -> Iterator[str]:
        if self.tune and self.tune.seed in self.seeds:
            yield f"tune.seed: {self.tune.seed} is one of seeds; choose another"
        for fraction in self.tune.fractions if self.tune else ():
            if fraction not in self.fractions:
                yield f"tune.fractions: {fraction} is not among the fractions of the study"


def _unread(key: str, line: str) -> str | None:
    """Returns why an override has no effect below a key of the study, or None."""
    if key == "common":
        return None
    return unread_problem(line, "pretrain" if key.startswith("pretrain.") else "finetune")


_LEVELS: dict[str, type[BaseModel]] = {
    "": Study,
    "pretrain": Pretraining,
    "finetune": Finetuning,
    "tune": Tuning,
    "primary": Primary,
    "conditions.*": Condition,
}


def parse_study(content: Any) -> Study:
    """Checks the content of a study's file: first each key, then what holds between keys.

    Raises:
        ValueError: one line per problem, with the nearest right name.
    """
    try:
        return Study.model_validate(content)
    except ValidationError as error:
        raise ValueError("\n".join(_problem(dict(one)) for one in error.errors())) from None


def _problem(record: dict[str, Any]) -> str:
    """Writes Pydantic's record of a problem as "key: what is wrong"."""
    names = [part for part in record["loc"] if isinstance(part, str) and part != "[key]"]
    text = f"{record['msg']}, not {record['input']!r}"
    if record["type"] == "value_error":
        text = str(record["ctx"]["error"])
    elif record["type"] == "missing":
        text = "is missing"
    elif record["type"] == "extra_forbidden":
        parents = ["conditions", "*"] if names[0] == "conditions" else names[:-1]
        known = _LEVELS[".".join(parents if len(names) > 1 else [])].model_fields
        text = f"no such key{did_you_mean(nearest(names[-1], known))}"
    return ": ".join(filter(None, (".".join(names), text)))


def check_metrics(study: Study) -> None:
    """Refuses metrics that train.py does not compute. Imports torch.

    Raises:
        ValueError: a name is unknown (suggests the nearest), or `better` is wrong for a metric.
    """
    from handpose.evaluation.summarise import VALIDATION, describe, summary_names

    names = {"metric": study.metric, "constant": study.constant}
    names |= {"tune.metric": study.tune.metric if study.tune else None}
    known = (*summary_names(), *VALIDATION)
    problems = [
        f"{key}: {name}: train.py has no such result{did_you_mean(nearest(name, known))}"
        for key, name in names.items()
        if name is not None and name not in known
    ]
    better = describe(study.metric).better
    if study.metric in known and study.better != better:
        problems.append(f"better: {study.better}, but {better} is better for {study.metric}")
    tuned = study.tune.metric if study.tune else study.metric
    if tuned in known and (own := describe(tuned).better) != better:
        problems.append(f"tune.metric: {tuned}: {own} is better, unlike for {study.metric}")
    if problems:
        raise ValueError("\n".join(problems))
