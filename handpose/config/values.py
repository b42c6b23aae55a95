"""Values of a composed configuration: each must be what its key asks for."""

from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from handpose.config.catalogue import REFERENCE, Catalogue
from handpose.config.refusal import did_you_mean, first_line, nearest
from handpose.config.rules import FILLED, PARTS, RUN, Rule, is_number, rule_of
from handpose.config.tree import Node, leaves, lookup
from handpose.config.writing import as_argument, home_problem

# Where a run and a sweep lie, and where Hydra looks for files.
PLACES = ("hydra.run.dir", "hydra.sweep.dir", "hydra.searchpath")


class UnresolvedError(Exception):
    """A value that another one gives, which cannot be found."""


def resolve(cfg: DictConfig, path: str) -> Any:
    """The plain value at a dotted path, references followed."""
    try:
        value = OmegaConf.select(cfg, path, throw_on_resolution_failure=True)
        if isinstance(value, DictConfig | ListConfig):
            return OmegaConf.to_container(value, resolve=True)
        return value
    except (OmegaConfBaseException, ValueError) as error:
        raise UnresolvedError(first_line(error)) from None


def found_value(cfg: DictConfig, path: str) -> Any:
    """The plain value at a dotted path, or None where it cannot be found (told elsewhere)."""
    try:
        return resolve(cfg, path)
    except UnresolvedError:
        return None


def value_problems(
    cfg: DictConfig, content: dict[str, Any], root: Node, catalogue: Catalogue
) -> list[str]:
    """A problem for each value that its key cannot take. `content` is `cfg` as written."""
    rules = rules_of(content, catalogue)
    hydra: Any = OmegaConf.to_container(OmegaConf.masked_copy(cfg, "hydra"), resolve=False)
    keys = [*PLACES, *(key for key in rules if key.startswith("hydra."))]
    own = [(key, value) for key in keys if (value := lookup(hydra, key)) is not None]
    problems = []
    for path, written in [*leaves(content), *own]:
        node = root.at(path)
        rule = rules.get(path) or (rule_of(_examples(node)) if node else None)
        problem = _value_problem(cfg, path, written, rule)
        problems += [problem] if problem else []
    return problems


def rules_of(content: dict[str, Any], catalogue: Catalogue) -> dict[str, Rule]:
    """The declared rule of each key of a configuration, wherever its parts lie."""
    return RUN | {
        f"{place}.{key}": rule
        for slot, slot_group in catalogue.slots.items()
        for place, group in _places(content, slot, slot_group)
        for key, rule in PARTS.get(group, {}).items()
    }


def _places(content: dict[str, Any], slot: str, group: str) -> Iterator[tuple[str, str]]:
    """(key, group) of a part and of those within it: a mix's sources, a hybrid's objectives."""
    yield slot, group
    parts = lookup(content, f"{slot}.parts")
    for name in parts if isinstance(parts, dict) else ():
        yield f"{slot}.parts.{name}", group
        yield f"{slot}.parts.{name}.augment", "augment"


def _examples(node: Node) -> list[Any]:
    """The values of a key; a stand-in for those that have keys below them."""
    return [*node.examples, {"": None}] if node.children and node.examples else node.examples


def _value_problem(cfg: DictConfig, path: str, written: Any, rule: Rule | None) -> str | None:
    if written == "???":
        return f"{path}: has no value; choose one"
    try:
        value = resolve(cfg, path)
    except UnresolvedError as error:
        # Known only once Hydra runs the job, or told of what Hydra's own key refers to.
        is_hydras = "${hydra:" in str(written) or path in PLACES
        return None if is_hydras else f"{path}={written}: {error}"
    if not REFERENCE.match(str(written)):  # else told of the key that is referred to
        texts = value if isinstance(value, list) else [value]
        for text in texts:
            if isinstance(text, str) and (problem := home_problem(path, text)):
                return problem
    if isinstance(value, dict) and value and REFERENCE.fullmatch(str(written)):
        return None  # a reference to a part, which is checked where it lies
    if rule is None or rule.holds(value):
        return None
    return f"{path}={_shown(value)}: expected {rule.expected}{_correction(path, value, rule)}"


def _shown(value: Any) -> str:
    """A value as it is written in YAML."""
    words = {None: "null", True: "true", False: "false"}
    return words.get(value, str(value)) if value is None or isinstance(value, bool) else str(value)


def _correction(path: str, value: Any, rule: Rule) -> str:
    """The nearest word among those that a rule names, or how a number is written as a name."""
    words = rule.expected.split(" or ")
    if isinstance(value, str) and len(words) > 1:
        return did_you_mean(nearest(value, words))
    is_text = rule is FILLED and is_number(value)
    return f"; write {as_argument(path, str(value))}" if is_text else ""
