"""How a value is written on the command line, and what a home directory's ~ becomes."""

import os
import re
import shlex
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from handpose.pipeline.resume import hydra_quoted

_HOME = re.compile(r"~[\w.-]*(?:/|$)")


def as_argument(key: str, value: str) -> str | None:
    """KEY=VALUE as a shell takes it, `value` being one text; None where no quotes help."""
    text = hydra_quoted(value).replace(r"\${", "${")  # a reference stays one
    argument = f"{key}={text}" if text.startswith('"') else f'{key}="{text}"'
    try:
        is_right = OverridesParser.create().parse_override(argument).value() == value
    except HydraException:
        return None
    return shlex.quote(argument) if is_right else None


def home_problem(key: str, value: str) -> str | None:
    """A path that begins with ~, which only a shell expands; says what to write."""
    path = value.removeprefix("file://")
    if not _HOME.match(path):
        return None
    whole = os.path.expanduser(path)  # noqa: PTH111  # pathlib raises for an unknown user
    write = whole if whole != path else "the whole path"
    return f"{key}={value}: ~ is not expanded here; write {write}"


def path_argument(text: str) -> Path:
    """A path among a script's arguments: a shell does not expand the ~ of --to=~/DIR."""
    return Path(os.path.expanduser(text))  # noqa: PTH111
