"""What a configuration may name to be built: an allow-list, for naming a function is calling it."""

import re
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

from handpose.config.catalogue import REFERENCE
from handpose.config.source import missing_class
from handpose.config.tree import leaves
from handpose.config.values import found_value

# Classes alone, and no way on through a module to what that imports.
_PARTS = r"handpose\.(?:augment|backbones|data|heads|objectives)\.[\w.]+"
_OPTIMIZERS = r"(?:torch\.optim|torch\.optim\.lr_scheduler|timm\.optim)\.[A-Z]\w*"
_RUN = re.compile(f"{_PARTS}|{_OPTIMIZERS}")
_HYDRA = re.compile(
    r"hydra\._internal\.core_plugins\.\w+\.[A-Z]\w*"
    r"|hydra_plugins\.\w+\.\w+\.[A-Z]\w*"
    r"|hydra\.experimental\.callbacks\.[A-Z]\w*"
    r"|handpose\.[\w.]+\.[A-Z]\w*"
)
_LOGGING = re.compile(
    r"logging\.(?:StreamHandler|FileHandler|NullHandler|Formatter|Filter)"
    r"|colorlog\.ColoredFormatter|rich\.logging\.RichHandler"
)
_STREAMS = re.compile(r"ext://sys\.(?:stdout|stderr)")
_WORDS = {
    _RUN: "handpose.augment, backbones, data, heads and objectives, torch.optim.*, timm.optim.*",
    _HYDRA: "Hydra's own launchers, sweepers and callbacks",
    _LOGGING: "the handlers and formatters of logging, colorlog and rich",
}
_RUN_CALLS = {"_target_": _RUN}
_HYDRA_CALLS = {"_target_": _HYDRA, "class": _LOGGING, "()": _LOGGING, "factory": _LOGGING}


def target_problems(cfg: DictConfig, content: dict[str, Any]) -> list[str]:
    """A problem for each callable that may not be built, or is ours and does not exist.

    Args:
        cfg: the configuration, perhaps with Hydra's own part, which Hydra acts on before the run.
        content: without that, as written.
    """
    found = [*_forbidden(content, "", _RUN_CALLS)]
    for path, value in _made_by_resolvers(cfg, content):
        found += _forbidden(value, f"{path}.", _RUN_CALLS)
    if "hydra" in cfg:
        own: Any = OmegaConf.to_container(OmegaConf.masked_copy(cfg, "hydra"), resolve=False)
        for path, value in [("hydra", own["hydra"]), *_made_by_resolvers(cfg, own)]:
            found += _forbidden(value, f"{path}.", _HYDRA_CALLS)
            found += _streams(value, f"{path}.")
    return [f"{path}={why}" for path, why in found]


def _made_by_resolvers(cfg: DictConfig, content: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """(dotted path, value) where a resolver gives keys or a list: what it names is built too."""
    for path, written in leaves(content):
        if "${" in str(written) and not REFERENCE.fullmatch(str(written)):
            value = found_value(cfg, path)
            if isinstance(value, dict | list):
                yield path, value


def _forbidden(
    content: Any, prefix: str, calls: dict[str, re.Pattern[str]]
) -> Iterator[tuple[str, str]]:
    """(dotted path, why not) of each callable that may not be built, or is ours and not there."""
    for path, target, allowed in _called(content, prefix, calls):
        if target is None:
            continue
        if not isinstance(target, str) or not allowed.fullmatch(target):
            yield path, f"{target}: only {_WORDS[allowed]} and null are built"
        elif target.startswith("handpose.") and (problem := missing_class(target)):
            yield path, problem


def _streams(content: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """The same of what the configuration of logging would import."""
    for path, value in _texts(content, prefix):
        if value.startswith("ext://") and not _STREAMS.fullmatch(value):
            yield path, f"{value}: only ext://sys.stdout and ext://sys.stderr are taken"


def _called(
    content: Any, prefix: str, names: dict[str, re.Pattern[str]]
) -> Iterator[tuple[str, Any, re.Pattern[str]]]:
    """(dotted path, value, what it may be) of each key that names a callable, in lists too."""
    for key, value in _members(content):
        if key in names:
            yield f"{prefix}{key}", value, names[key]
        else:
            yield from _called(value, f"{prefix}{key}.", names)


def _texts(content: Any, prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in _members(content):
        if isinstance(value, str):
            yield f"{prefix}{key}", value
        else:
            yield from _texts(value, f"{prefix}{key}.")


def _members(content: Any) -> list[tuple[str, Any]]:
    if isinstance(content, dict):
        return [(str(key), value) for key, value in content.items()]
    return [(str(i), value) for i, value in enumerate(content)] if isinstance(content, list) else []
