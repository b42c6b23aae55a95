"""The keys of a study's file below the first level, and the types of its values."""

from collections.abc import Iterator, Mapping
from math import log
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from handpose.messages import did_you_mean, nearest

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
Pairs = Annotated[tuple[tuple[str, str], ...], AfterValidator(_distinct)]
Lines = Annotated[tuple[str, ...], BeforeValidator(lambda lines: () if lines is None else lines)]


class Place(NamedTuple):
    """Where arms are compared: with the same use, head and labels."""

    condition: str | None  # None in a study without conditions
    head: str
    fraction: float


class Level(BaseModel):
    """One level of the file. A key set to null counts as left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            raise ValueError(f"expected the keys {', '.join(cls.model_fields)}")
        return {key: value for key, value in content.items() if value is not None}


class Pretraining(Level):
    """Overrides of all pre-trainings and of each arm; None for an arm without pre-training."""

    common: Lines = ()
    arms: Annotated[dict[Name, tuple[str, ...] | None], Field(min_length=2)]


class Finetuning(Level):
    """Overrides of all fine-tunings, and of those of an arm."""

    common: Lines = ()
    arms: dict[str, Lines] = {}


class Condition(Level):
    """One use of the arms' backbones: overrides of its fine-tunings, and the cells that it has.

    Attributes:
        finetune: overrides, which win over those of `finetune`.
        arms, heads, fractions, seeds: those of the study's that it has; None for all.
    """

    finetune: Lines = ()
    arms: Several[str] | None = None
    heads: Several[str] | None = None
    fractions: Several[Fraction] | None = None
    seeds: Several[Seed] | None = None

    def narrowing_problems(self, of_study: Mapping[str, Any]) -> Iterator[str]:
        """Yields a problem for each arm, head, fraction or seed that the study does not have.

        Args:
            of_study: key -> the study's values.
        """
        for key, values in of_study.items():
            for value in getattr(self, key) or ():
                if value not in values:
                    yield unknown(key, value, values)


class Primary(Level):
    """The cells of the primary endpoint; `condition` is None in a study without conditions."""

    condition: str | None = None
    head: str
    fraction: Fraction

    @property
    def place(self) -> Place:
        """Where the primary endpoint is."""
        return Place(self.condition, self.head, self.fraction)


class Tuning(Level):
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


def unknown(key: str, value: object, known: Any) -> str:
    """Returns "key: value: expected one of ...", with the nearest right name.

    Args:
        key: the key of the file.
        value: its wrong value.
        known: the right values.
    """
    names = [str(one) for one in known]
    near = did_you_mean(nearest(str(value), names))
    return f"{key}: {value}: expected one of {', '.join(names)}{near}"
