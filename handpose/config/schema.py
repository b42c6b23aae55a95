"""The schema: the declaration of each key, in the comment behind it in conf/.

    max_epochs: 2 # [int 1..100000; main] length of the stage in epochs

The brackets hold the accepted values, then marks. `main` lists the key in `--help`. `free` means
that it does not change the result of a run. `new` means that stored configurations without it had
the value of the group's default choice. The rest is the meaning. The comment may continue on the
next lines, indented further than the key. Accepted values, one or several separated by |:

    null, bool, text      nothing, true or false, any text but an empty one
    keys                  further keys below it
    0..1, >0..<1          a number within these bounds, inclusive or exclusive
    int 32..1024 step 32  a whole number
    range 0..1            [from, to], both within
    list >0..10           a list of such numbers
    indices 0..7          a list of different whole numbers
    self                  this word
"""

import hashlib
import math
import re
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import field, make_dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

_PACKAGE = Path(__file__).resolve().parents[1]
# Inside the package where it is installed, beside it in a checkout.
CONF = next(
    (folder for folder in (_PACKAGE / "conf", _PACKAGE.parent / "conf") if folder.is_dir()),
    _PACKAGE / "conf",
)
PLUGINS = str(_PACKAGE / "plugins")
_NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_BOUNDED = re.compile(
    rf"(?:(int|range|list|indices) )?(>?)({_NUMBER})\.\.(<?)({_NUMBER})(?: step (\d+))?"
)
_BRACKETS = re.compile(r"\[([^\]]*)\]\s*(.*)")


class Rule(NamedTuple):
    """The accepted values of a key."""

    holds: Callable[[Any], bool]
    expected: str  # for error messages
    kind: type | None = None  # of the value, where all that the rule takes are of one
    bounds: tuple[float, float] | None = None  # lowest and highest number
    words: tuple[str, ...] = ()


class Key(NamedTuple):
    """The declaration of a key."""

    meaning: str = ""
    rule: Rule | None = None
    marks: frozenset[str] = frozenset()


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number and not a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_NULL = Rule(lambda value: value is None, "null")
_PLAIN = {
    "null": _NULL,
    "keys": Rule(lambda value: isinstance(value, dict), "keys"),
    "bool": Rule(lambda value: isinstance(value, bool), "true or false", bool),
    "text": Rule(lambda value: isinstance(value, str) and bool(value.strip()), "text", str),
}


@cache
def parse_rule(text: str) -> Rule:
    """Parse the rule of a key.

    Raises:
        ValueError: the text is none of the forms in this module's docstring.
    """
    rules = [_alternative(part.strip()) for part in text.split("|")]
    kinds = {rule.kind for rule in rules if rule is not _NULL}
    bounds = [bound for rule in rules for bound in rule.bounds or ()]
    return Rule(
        holds=lambda value: any(rule.holds(value) for rule in rules),
        expected=" or ".join(rule.expected for rule in rules),
        kind=kinds.pop() if len(kinds) == 1 else None,
        bounds=(min(bounds), max(bounds)) if bounds else None,
        words=tuple(word for rule in rules for word in rule.words),
    )


def _alternative(text: str) -> Rule:
    if text in _PLAIN:
        return _PLAIN[text]
    if match := _BOUNDED.fullmatch(text):
        return _bounded(*match.groups())
    if re.fullmatch(r"[\w-]+", text):
        return Rule(
            lambda value: isinstance(value, str) and value == text, text, str, None, (text,)
        )
    raise ValueError(f"[{text}] does not say what a key takes")


def _bounded(
    kind: str | None, above: str, low: str, below: str, high: str, step: str | None
) -> Rule:
    least, most, every = float(low), float(high), int(step or 1)

    def inside(value: Any) -> bool:
        return is_number(value) and (
            (least < value if above else least <= value)
            and (value < most if below else value <= most)
        )

    def whole(value: Any) -> bool:
        return isinstance(value, int) and inside(value) and value % every == 0

    def numbers(value: Any, are: Callable[[Any], bool] = inside) -> bool:
        return isinstance(value, list) and bool(value) and all(map(are, value))

    within = f"from {low} to {high}"
    if above or below:
        low_word, high_word = "above" if above else "at least", "below" if below else "at most"
        within = f"{low_word} {low} and {high_word} {high}"
    unit = f"a multiple of {every}" if step else "a whole number"
    holds, what, type_ = {
        None: (inside, "a number", float),
        "int": (whole, unit, int),
        "range": (
            lambda v: numbers(v) and len(v) == 2 and v[0] <= v[1],
            "a range [from, to]",
            None,
        ),
        "list": (numbers, "a list of numbers", None),
        "indices": (
            lambda v: numbers(v, whole) and len(set(v)) == len(v),
            "a list of indices",
            None,
        ),
    }[kind]
    return Rule(holds, f"{what} {within}", type_, (least, most))


def rule_of_default(value: Any) -> Rule | None:
    """Return the rule of a key without one, by the type of its default; None for null."""
    if isinstance(value, bool):
        return _PLAIN["bool"]
    if is_number(value):
        return Rule(is_number, "a number")
    if isinstance(value, list):
        return Rule(lambda other: isinstance(other, list), "a list")
    if isinstance(value, str) and "${" not in value and value != "???":
        return Rule(lambda other: not isinstance(other, list | dict | bool), "text")
    return None


@cache
def read_keys(file: Path) -> dict[str, Key]:
    """Read the declarations of a YAML file: {dotted path: key}, in the file's order."""
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines()
    return {path: _key(_comment(lines, place)) for path, place in _places(yaml.compose(text))}


def _places(node: Any, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Yield the dotted path and the line number of each key."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        yield f"{prefix}{key.value}", key.start_mark.line
        yield from _places(value, f"{prefix}{key.value}.")


def _comment(lines: list[str], place: int) -> str:
    """Return the comment behind a key, with the lines that continue it."""
    found = re.search(r"\s#\s(.*)$", lines[place])
    parts = [found[1]] if found else []
    indent = len(lines[place]) - len(lines[place].lstrip())
    for line in lines[place + 1 :] if found else ():
        below = line.lstrip()
        if not below.startswith("# ") or len(line) - len(below) <= indent:
            break
        parts.append(below[2:])
    return " ".join(parts)


def _key(comment: str) -> Key:
    match = _BRACKETS.fullmatch(comment)
    if match is None:
        return Key(comment)
    takes, _, marks = match[1].partition(";")
    try:
        rule = parse_rule(takes) if takes else None
    except ValueError:  # brackets of another meaning
        return Key(comment)
    return Key(match[2], rule, frozenset(re.findall(r"\w+", marks)))


def _skeleton(content: dict[str, Any], keys: dict[str, Key], prefix: str = "") -> type:
    """Return a dataclass with the keys of a run, by which Hydra converts values."""
    fields: list[Any] = []
    for name, value in content.items():
        if isinstance(value, dict):
            below = _skeleton(value, keys, f"{prefix}{name}.")
            fields.append((name, below, field(default_factory=below)))
        else:
            rule = keys.get(f"{prefix}{name}", Key()).rule
            kind: Any = rule.kind if rule and rule.kind else Any
            is_optional = kind is not Any and rule is not None and rule.holds(None)
            fields.append((name, kind | None if is_optional else kind, field(default=MISSING)))
    return make_dataclass("RunConfig", fields)


def _run_schema() -> type:
    """Return the dataclass that conf/config.yaml declares, with a field for each part."""
    file = CONF / "config.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    entries = [entry for entry in content.pop("defaults") if isinstance(entry, dict)]
    del content["hydra"]
    for slot in [name.rpartition("@")[2] for entry in entries for name in entry]:
        *above, name = slot.split(".")
        if slot != "experiment":
            (content[above[0]] if above else content).setdefault(name, None)
    return _skeleton(content, read_keys(file))


def cell_name(overrides: str) -> str:
    """Return the folder name of a sweep's cell: its overrides, safe for any path."""
    name = re.sub(r"[^A-Za-z0-9._=+-]+", "_", overrides.replace("=", "-")).strip("_") or "default"
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return name if len(name) <= 100 else f"{name[:80]}-{digest}"


def num_processes(trainer: Any) -> int:
    """Return the number of processes of a run: devices times nodes."""
    devices = trainer.devices
    return (devices if isinstance(devices, int) else len(devices)) * trainer.num_nodes


def register() -> None:
    """Register the schema, the resolvers and the plugins with Hydra; idempotent."""
    if PLUGINS not in sys.path:  # Hydra searches the package hydra_plugins, in its place
        sys.path.append(PLUGINS)
    ConfigStore.instance().store(name="run_schema", node=_run_schema())
    OmegaConf.register_new_resolver("cell_name", cell_name, replace=True)
    OmegaConf.register_new_resolver(
        "short_id", lambda: uuid.uuid4().hex[:6], replace=True, use_cache=True
    )
