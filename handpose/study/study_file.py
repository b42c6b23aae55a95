"""The YAML file of a study: its keys, checked as a whole.

An arm is one way to pre-train, or null for no pre-training. Each arm is pre-trained once per seed.
Each backbone is then fine-tuned with every head on every fraction of the labels.
"""

from collections.abc import Iterator
from math import log
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from handpose.messages import did_you_mean, nearest
from handpose.study.planned_runs import override_problem

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

T = TypeVar("T")


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(values)) < len(values):
        raise ValueError("a value appears twice")
    return values


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Seed = Annotated[int, Field(ge=0, strict=True)]
Fraction = Annotated[float, Field(gt=0, le=1, strict=True)]
Several = Annotated[tuple[T, ...], Field(min_length=1), AfterValidator(_distinct)]
Lines = Annotated[tuple[str, ...], BeforeValidator(lambda lines: () if lines is None else lines)]


class _Level(BaseModel):
    """One level of the file. A key set to null counts as left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            raise ValueError(f"expected the keys {', '.join(cls.model_fields)}")
        return {key: value for key, value in content.items() if value is not None}


class Pretraining(_Level):
    """Overrides of all pre-trainings and of each arm; None for an arm without pre-training."""

    common: Lines = ()
    arms: Annotated[dict[Name, tuple[str, ...] | None], Field(min_length=2)]


class Finetuning(_Level):
    """Overrides of all fine-tunings."""

    common: Lines = ()


class Tuning(_Level):
    """Settings of fine-tuning to choose from, on the validation split and with their own seed.

    Attributes:
        metric: a number of results.json, computed on the validation split.
        fractions: of the labels, at which the candidates are tried.
        candidates: name -> overrides.
    """

    seed: Seed
    metric: Text
    fractions: Several[Fraction]
    candidates: Annotated[dict[Name, Lines], Field(min_length=2)]

    def nearest(self, fraction: float) -> float:
        """Returns the nearest tuned fraction by ratio; its choice is used for this one."""
        return min(self.fractions, key=lambda tried: abs(log(tried / fraction)))


class Study(_Level):
    """The content of the file.

    Attributes:
        metric: a number of results.json; `better` says which end of it is good.
        common: overrides of all runs.
        baseline: the arm that every other arm is compared with.
        compare: further pairs (arm, the arm it is compared with).
        constant: the number of results.json for a constant prediction.
        tune: None for a single setting.
    """

    name: Name
    question: Text
    metric: Text
    better: Literal["lower", "higher"]
    baseline: str
    compare: Annotated[tuple[tuple[str, str], ...], AfterValidator(_distinct)] = ()
    constant: Text | None = None
    seeds: Several[Seed]
    heads: Several[Name]
    fractions: Several[Fraction]
    common: Lines = ()
    pretrain: Pretraining
    finetune: Finetuning = Finetuning()
    tune: Tuning | None = None

    @property
    def arms(self) -> dict[str, tuple[str, ...] | None]:
        """Name of each arm -> the overrides of its pre-training; None for no pre-training."""
        return self.pretrain.arms

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Each arm with the baseline, then the further pairs."""
        return [(arm, self.baseline) for arm in self.arms if arm != self.baseline] + [*self.compare]

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
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _override_problems(self) -> Iterator[str]:
        """Yields problems of overrides that the study itself sets, or cannot take."""
        groups = [("common", self.common, _SET_IN_COMMON)]
        groups += [("pretrain.common", self.pretrain.common, _ALWAYS_SET)]
        groups += [(f"pretrain.arms.{n}", a or (), _ALWAYS_SET) for n, a in self.arms.items()]
        groups += [("finetune.common", self.finetune.common, SET_IN_FINETUNING)]
        candidates = self.tune.candidates if self.tune else {}
        groups += [(f"tune.candidates.{n}", c, SET_IN_FINETUNING) for n, c in candidates.items()]
        for key, lines, reserved in groups:
            problems = (override_problem(line, reserved) for line in lines)
            yield from (f"{key}: {problem}" for problem in problems if problem)

    def _arm_problems(self) -> Iterator[str]:
        for name, lines in self.arms.items():
            everything = [*self.pretrain.common, *(lines or ())]
            if lines is not None and not any(line.startswith("objective=") for line in everything):
                yield f"pretrain.arms.{name}: has no objective=NAME (null: no pre-training)"
        named = [("baseline", self.baseline)]
        for key, arm in named + [("compare", arm) for pair in self.compare for arm in pair]:
            if arm not in self.arms:
                near = did_you_mean(nearest(arm, self.arms))
                yield f"{key}: {arm}: expected one of {', '.join(self.arms)}{near}"
        for arm, against in self.compare:
            if against in (arm, self.baseline):
                yield f"compare: [{arm}, {against}] is compared already, or an arm with itself"

    def _tune_problems(self) -> Iterator[str]:
        if self.tune and self.tune.seed in self.seeds:
            yield f"tune.seed: {self.tune.seed} is one of seeds; choose another"
        for fraction in self.tune.fractions if self.tune else ():
            if fraction not in self.fractions:
                yield f"tune.fractions: {fraction} is not among the fractions of the study"


_LEVELS: dict[str, type[BaseModel]] = {
    "": Study,
    "pretrain": Pretraining,
    "finetune": Finetuning,
    "tune": Tuning,
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
        known = _LEVELS[".".join(names[:-1])].model_fields
        text = f"no such key{did_you_mean(nearest(names[-1], known))}"
    return ": ".join(filter(None, (".".join(names), text)))


def check_metrics(study: Study) -> None:
    """Refuses metrics that train.py does not compute. Imports torch.

    Raises:
        ValueError: a name is unknown (suggests the nearest), or `better` is wrong for the metric.
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
    if problems:
        raise ValueError("\n".join(problems))
