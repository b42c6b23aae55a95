"""Single overrides of the command line, checked before anything is composed."""

import os
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from handpose.config.catalogue import Catalogue
from handpose.config.checks.unknown_keys import no_such_choice, unknown_keys
from handpose.config.secrets import argument_problem
from handpose.messages import did_you_mean, nearest
from handpose.pipeline.resume import hydra_quoted

_HOME = re.compile(r"~[\w.-]*(?:/|$)")


def as_argument(key: str, value: str) -> str | None:
    """Return KEY=VALUE quoted for the shell, or None if that is not possible.

    Args:
        key: the key to set.
        value: the text to set it to, unquoted.
    """
    text = hydra_quoted(value).replace(r"\${", "${")  # a reference stays one
    argument = f"{key}={text}" if text.startswith('"') else f'{key}="{text}"'
    try:
        is_right = OverridesParser.create().parse_override(argument).value() == value
    except HydraException:
        return None
    return shlex.quote(argument) if is_right else None


def home_problem(key: str, value: str) -> str | None:
    """Return what to write instead of a path with ~, which only a shell expands.

    Args:
        key: the key or option that sets the path, for the message.
        value: the path as typed; may start with `file://`.
    """
    path = value.removeprefix("file://")
    if not _HOME.match(path):
        return None
    whole = os.path.expanduser(path)  # noqa: PTH111  # pathlib raises for an unknown user
    write = whole if whole != path else "the whole path"
    return f"{key}={value}: ~ is not expanded here; write {write}"


def path_argument(text: str) -> Path:
    """Return a path argument with ~ expanded, as no shell does in --to=~/DIR."""
    return Path(os.path.expanduser(text))  # noqa: PTH111


def parse(arguments: Iterable[str], parser: OverridesParser) -> tuple[list[Override], list[str]]:
    """Return the readable overrides, and a problem for each other one.

    Args:
        arguments: overrides, as typed.
        parser: Hydra's parser of overrides.
    """
    parsed, problems = [], []
    for argument in arguments:
        problem = argument_problem(argument)
        try:
            parsed += [] if problem else parser.parse_overrides([argument])
        except HydraException as error:
            problem = _unreadable(argument, error)
        problems += [problem] if problem else []
    return parsed, problems


def _unreadable(argument: str, error: HydraException) -> str:
    key, separator, value = argument.partition("=")
    if not separator:
        return f"{argument}: not of the form KEY=VALUE or GROUP=CHOICE"
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
    """Return the problems of keys that the command line sets.

    Other problems may only follow from an unreadable part.

    Args:
        problems: messages; kept if they start with `KEY=` for a key of `overrides`.
        overrides: the overrides of the command line.
    """
    keys = tuple(f"{override.get_key_element().lstrip('+')}=" for override in overrides)
    return [problem for problem in problems if problem.startswith(keys)]


def is_hydra(override: Override) -> bool:
    """Return whether an override sets Hydra's own keys."""
    return override.key_or_group.partition("/")[0].partition(".")[0] == "hydra"


def is_choice(override: Override, catalogue: Catalogue) -> bool:
    """Return whether an override chooses a file of a group.

    Args:
        override: the override to check.
        catalogue: the existing groups, choices and keys.
    """
    if override.key_or_group not in catalogue.choices:
        return False
    if override.is_discrete_sweep():
        return not all(isinstance(value, dict) for value in override.sweep_iterator())
    return not isinstance(override.value(), dict)


def slot_of(override: Override) -> str:
    """Return the key of a chosen part."""
    return override.package or override.key_or_group.replace("/", ".")


def judge(
    overrides: Sequence[Override], problems_of: Callable[[Override], list[str]]
) -> tuple[list[Override], list[str]]:
    """Return the overrides that can be composed, and the problems of the others.

    A key below a wrong choice is left out, as its valid keys are unknown.

    Args:
        overrides: the overrides of the command line.
        problems_of: returns the problems of one override; an empty list if it is right.
    """
    found = [(override, problems_of(override)) for override in overrides]
    wrong = tuple(f"{slot_of(override)}." for override, problems in found if problems)
    known = [pair for pair in found if not pair[0].key_or_group.startswith(wrong)]
    right = [override for override, problems in known if not problems]
    return right, [problem for _, problems in known for problem in problems]


def choice_problems(override: Override, catalogue: Catalogue) -> list[str]:
    """Return the problems of `GROUP=CHOICE` or `GROUP@KEY=CHOICE`; none for a key.

    Args:
        override: the override to check.
        catalogue: the existing groups, choices and keys.
    """
    group, package = override.key_or_group, override.package
    shown, line = override.get_key_element(), override.input_line
    if not is_choice(override, catalogue) and package is None and "/" not in group:
        return []
    if override.is_delete():
        return [f"{shown}: cannot be left out; choose another {group} instead"]
    if group not in catalogue.choices or (
        package not in (None, "_global_") and (group, package) not in catalogue.defaults
    ):
        return [_no_such_group(override, catalogue)]
    if not override.is_sweep_override() and override.value() is None:
        return [f"{line}: a group takes a name on the command line; leave it out"]
    problems = []
    if shown.startswith("+") and (group, package or group) in catalogue.defaults:
        problems.append(f"{line}: this choice exists already; write it without the +")
    for choice in named_choices(override):
        if catalogue.file(group, choice) is None:
            missing = no_such_choice(choice, catalogue.choices[group], group)
            problems.append(f"{shown}={choice}: {missing}")
    return problems or _global_problems(override, catalogue)


def _no_such_group(override: Override, catalogue: Catalogue) -> str:
    """Return that a group is unknown, or cannot be chosen at that key."""
    written = override.get_key_element().lstrip("+")
    places = [f"{group}@{slot}" for group, slot in catalogue.defaults if slot != group]
    near = nearest(written, [*sorted(catalogue.choices), *places])
    near = near or [name for name in places if name.startswith(f"{override.key_or_group}@")]
    return f"{override.input_line}: no such group{did_you_mean(near)}"


def _global_problems(override: Override, catalogue: Catalogue) -> list[str]:
    """Return a problem for each unknown key of an experiment; Hydra would merge it."""
    group, problems = override.key_or_group, []
    for choice in named_choices(override):
        if catalogue.is_global(group, choice):
            content = catalogue.content(group, choice)
            content.pop("hydra", None)
            found = unknown_keys(content, catalogue.whole_tree, catalogue)
            problems += [f"conf/{group}/{choice}.yaml: {problem}" for problem in found]
    return problems


def named_choices(override: Override) -> list[str]:
    """Return the choices in an override: one, a list, or the values of a sweep."""
    if override.is_discrete_sweep():
        values = [Override._convert_value(value) for value in override.sweep_iterator()]
    else:
        value: Any = None if override.is_sweep_override() else override.value()
        values = value if isinstance(value, list) else [value]
    return [str(value) for value in values if value is not None]
