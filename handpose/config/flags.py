"""Keys that were written as flags, --optimizer.lr=0.001 or --lr 0.001: the right form of each."""

from collections.abc import Iterable, Sequence

from hydra._internal.utils import get_args_parser

from handpose.config.catalogue import Catalogue
from handpose.config.keys import meant

_MOST_NAMES = 3


def split_flags(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """(what Hydra takes, keys that were written as flags, each with the value behind it)."""
    options = get_args_parser()._option_string_actions
    taken: list[str] = []
    dashed: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("-") or _is_flag(argument, options):
            taken.append(argument)
            continue
        has_value = "=" in argument or not rest or "=" in rest[0] or rest[0].startswith("-")
        dashed.append(argument if has_value else f"{argument} {rest.pop(0)}")
    return taken, dashed


def _is_flag(argument: str, options: Iterable[str]) -> bool:
    """Whether it is one of Hydra's flags, perhaps cut short, or with its value joined."""
    name = argument.partition("=")[0]
    if argument.startswith("--"):
        return any(option.startswith(name) for option in options)
    return name in options


def dashed_problem(written: str, catalogue: Catalogue) -> str:
    """Says how a key that was written as a flag is written here."""
    name, _, value = written.lstrip("-").replace(" ", "=", 1).partition("=")
    keys = meant(name.replace("-", "_"), catalogue)[:_MOST_NAMES]
    forms = [f"{key}={value or 'VALUE'}" for key in keys] or ["KEY=VALUE"]
    return f"{written}: keys and groups have no dashes here; write {' or '.join(forms)}"
