"""Single overrides of the command line, before anything is composed."""

from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from handpose.config.aliases import known_choice
from handpose.config.catalogue import Catalogue
from handpose.config.refusal import did_you_mean, nearest
from handpose.config.secrets import argument_problem
from handpose.config.writing import as_argument, home_problem


def parse(arguments: list[str], parser: OverridesParser) -> tuple[list[Override], list[str]]:
    """The overrides that can be read, and a problem for each that cannot."""
    parsed, problems = [], []
    for argument in arguments:
        if problem := argument_problem(argument):
            problems.append(problem)
            continue
        try:
            parsed += parser.parse_overrides([argument])
        except HydraException as error:
            problems.append(_unreadable(argument, error))
    return parsed, problems


def _unreadable(argument: str, error: HydraException) -> str:
    if "=" not in argument:
        return f"{argument}: not of the form KEY=VALUE or GROUP=CHOICE"
    key, _, value = argument.partition("=")
    if problem := home_problem(key, value):
        return problem
    if value.startswith("[") and "~/" in value:
        return f"{argument}: ~ is not expanded here; write whole paths"
    write = None if value.startswith(("[", "{")) else as_argument(key, value)
    if write is not None:
        return f"{argument}: has characters that Hydra reads itself; write {write}"
    reason = " ".join(line.strip() for line in str(error).splitlines() if "hydra.cc" not in line)
    return f"{argument}: cannot be read ({reason}); quote each text with special characters"


def of_overrides(problems: Sequence[str], overrides: Sequence[Override]) -> list[str]:
    """The problems of keys that the command line sets.

    Where another part of it cannot be read, the rest may be wrong for the lack of that alone.
    """
    keys = tuple(f"{override.get_key_element().lstrip('+')}=" for override in overrides)
    return [problem for problem in problems if problem.startswith(keys)]


def is_hydra(override: Override) -> bool:
    """Whether an override is about Hydra itself."""
    return override.key_or_group.partition("/")[0].partition(".")[0] == "hydra"


def is_choice(override: Override, catalogue: Catalogue) -> bool:
    """Whether an override chooses a file of a group, rather than setting keys, alone or `{...}`."""
    return override.key_or_group in catalogue.choices and not _is_dictionary(override)


def _is_dictionary(override: Override) -> bool:
    if override.is_discrete_sweep():
        return all(isinstance(value, dict) for value in override.sweep_iterator())
    return isinstance(override.value(), dict)


def looks_like_choice(override: Override) -> bool:
    """Whether an override is written as a choice, of whatever group."""
    return override.package is not None or "/" in override.key_or_group


def choice_problems(override: Override, catalogue: Catalogue) -> list[str]:
    """What is wrong with `GROUP=CHOICE` or `GROUP@KEY=CHOICE`."""
    group, shown = override.key_or_group, override.get_key_element()
    if override.is_delete():
        return [f"{shown}: cannot be left out; choose another {group} instead"]
    if not _has_slot(override, catalogue):
        return [_slot_problem(override, catalogue)]
    if not override.is_sweep_override() and override.value() is None:
        return [f"{override.input_line}: a group takes a name on the command line; leave it out"]
    added = shown.startswith("+") and (group, override.package or group) in catalogue.selectors
    problems = [f"{override.input_line}: every run has a choice here; write it without the +"]
    choices = catalogue.choices[group]
    return problems * added + [
        f"{shown}={choice}: {no_such_choice(choice, choices, group)}"
        for choice in named_choices(override)
        if catalogue.file(group, choice) is None
    ]


def no_such_choice(choice: str, choices: Sequence[str], group: str = "") -> str:
    """Says that a group has no such file, and which it has."""
    meant = known_choice(group, choice, choices)
    if meant and meant not in choices:
        hint = f"; {meant}"
    else:
        hint = did_you_mean([meant] if meant else nearest(choice, choices))
    return f"no such choice{hint} (there are: {', '.join(choices) or 'none'})"


def _has_slot(override: Override, catalogue: Catalogue) -> bool:
    group, package = override.key_or_group, override.package
    if group not in catalogue.choices:
        return False
    return package in (None, "_global_") or (group, package) in catalogue.selectors


def _slot_problem(override: Override, catalogue: Catalogue) -> str:
    """A group that is unknown, or chosen for a place that has none."""
    written = override.get_key_element().lstrip("+")
    groups = {group for group, _ in catalogue.selectors} | set(catalogue.choices)
    places = [f"{group}@{key}" for group, key in catalogue.selectors if key != group]
    near = nearest(written, [*sorted(groups), *places])
    near = near or [name for name in places if name.startswith(f"{override.key_or_group}@")]
    return f"{override.input_line}: no such group{did_you_mean(near)}"


def named_choices(override: Override) -> list[str]:
    """The choices that an override names: one, several of a sweep, or a list."""
    if override.is_sweep_override():
        values: list[Any] = []
        if override.is_discrete_sweep():
            values = [Override._convert_value(value) for value in override.sweep_iterator()]
    else:
        value: Any = override.value()
        values = value if isinstance(value, list) else [value]
    return [str(value) for value in values if value is not None]
