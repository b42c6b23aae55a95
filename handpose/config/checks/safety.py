"""Safety of configurations: allowed classes, checked without importing them, and safe YAML."""

import ast
import re
from collections.abc import Iterable, Iterator
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig

from handpose.config.catalogue import REFERENCE
from handpose.config.content import Content, found_value, leaves, of_hydra
from handpose.files import regular
from handpose.messages import did_you_mean, nearest

_PACKAGE = Path(__file__).resolve().parents[2]

# A named function would be called, so only classes are allowed, and not through a module that
# imports them.
_RUN = re.compile(
    r"handpose\.(?:augment|backbones|data|heads|objectives|training\.timm_optimizer)\.[\w.]+"
    r"|(?:torch\.optim|torch\.optim\.lr_scheduler|timm\.optim)\.[A-Z]\w*"
)
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
_STREAMS = ("ext://sys.stdout", "ext://sys.stderr")
_WORDS = {
    _RUN: "handpose.augment, backbones, data, heads and objectives, torch.optim.*, timm.optim.*",
    _HYDRA: "Hydra's own launchers, sweepers and callbacks",
    _LOGGING: "the handlers and formatters of logging, colorlog and rich",
}
# The keys that name a callable, and what each may name.
_RUN_CALLS = {"_target_": _RUN}
_HYDRA_CALLS = {"_target_": _HYDRA, "class": _LOGGING, "()": _LOGGING, "factory": _LOGGING}
# Far more than any of our configurations needs.
_MOST_BYTES, _MOST_NODES, _MOST_LEVELS = 1 << 20, 10_000, 50
_PLAIN_TAG = "tag:yaml.org,2002:"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def target_problems(cfg: DictConfig, content: Content) -> list[str]:
    """Return a problem for each `_target_` that is forbidden or missing.

    Args:
        cfg: the configuration, with Hydra's part if any, which Hydra uses before the run.
        content: without that part, references unresolved.
    """
    problems: list[str] = []
    for whole, calls in ((content, _RUN_CALLS), (of_hydra(cfg), _HYDRA_CALLS)):
        found = [*_nodes(whole), *_made_by_resolvers(cfg, whole)]
        problems += [f"{path}={why}" for path, value in found if (why := _why(path, value, calls))]
    return problems


def _nodes(content: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted path and the value of everything inside nested dicts and lists."""
    members = content.items() if isinstance(content, dict) else ()
    for key, value in enumerate(content) if isinstance(content, list) else members:
        yield f"{prefix}{key}", value
        yield from _nodes(value, f"{prefix}{key}.")


def _made_by_resolvers(cfg: DictConfig, content: Content) -> Iterator[tuple[str, Any]]:
    """Yield the contents of dicts and lists that resolvers return."""
    for path, raw in leaves(content):
        if "${" in str(raw) and not REFERENCE.fullmatch(str(raw)):
            yield from _nodes(found_value(cfg, path), f"{path}.")


def _why(path: str, value: Any, calls: dict[str, re.Pattern[str]]) -> str | None:
    """Return why a value is forbidden, or None."""
    allowed = calls.get(path.rpartition(".")[2])
    if allowed is None or value is None:
        is_stream = calls is _HYDRA_CALLS and str(value).startswith("ext://")
        wrong = is_stream and value not in _STREAMS
        return f"{value}: only {' and '.join(_STREAMS)} are taken" if wrong else None
    if not isinstance(value, str) or not allowed.fullmatch(value):
        return f"{value}: only {_WORDS[allowed]} and null are built"
    return missing_class(value) if value.startswith("handpose.") else None


def yaml_problems(roots: Iterable[Path]) -> list[str]:
    """Return a problem for each file below the roots that is unsafe to load."""
    files = sorted(file for root in roots for file in root.rglob("*.y*ml") if file.is_file())
    return [problem for file in files if (problem := yaml_problem(file))]


def yaml_problem(file: Path) -> str | None:
    """Return why a file is unsafe to load, or None; builds nothing."""
    try:
        content = regular(file, most=_MOST_BYTES).read_bytes()
        reason = _reason(yaml.parse(content, Loader=_LOADER))
    except (yaml.YAMLError, OSError) as error:
        reason = "cannot be read (" + "; ".join(map(str.strip, str(error).splitlines())) + ")"
    return f"{file}: {reason}" if reason else None


def _reason(events: Iterator[yaml.Event]) -> str | None:
    """Return what is wrong with a file, from its events; aliases count as their content."""
    sizes: dict[str | None, int] = {}
    stack: list[tuple[str | None, int]] = [(None, 0)]  # anchor and values of each open level
    for event in events:
        size, anchor = 0, getattr(event, "anchor", None)
        if isinstance(event, yaml.CollectionStartEvent):
            stack.append((anchor, 1))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, size = stack.pop()
            sizes[anchor] = size
        elif isinstance(event, yaml.ScalarEvent):
            size = sizes[anchor] = 1
        elif isinstance(event, yaml.AliasEvent):
            size = sizes.get(anchor, 0)
        stack[-1] = (stack[-1][0], stack[-1][1] + size)
        line = f"line {event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent) and not size:
            return f"{line}: *{anchor} is recursive or undefined"
        if reason := _excess(event, stack[-1][1], len(stack)):
            return f"{line}: {reason}"
    return None


def _excess(event: yaml.Event, nodes: int, levels: int) -> str | None:
    tag = getattr(event, "tag", None)
    if tag is not None and tag != "!" and (not tag.startswith(_PLAIN_TAG) or "python" in tag):
        return f"the tag {tag} would run code, or build what is no plain value; none was built"
    if nodes > _MOST_NODES:
        return f"its aliases make more than {_MOST_NODES:,} values of it; write them out"
    if levels > _MOST_LEVELS:
        return f"more than {_MOST_LEVELS} levels deep"
    return None


def _module(name: str) -> ast.Module | None:
    """Return the syntax tree of a module of handpose, or None if it does not exist."""
    file = _PACKAGE.joinpath(*name.split(".")[1:])
    file = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8")) if file.is_file() else None


def _class(target: Any) -> tuple[ast.Module, ast.ClassDef] | None:
    """Return a class by its full name, with its module."""
    module, _, name = str(target).rpartition(".")
    source = _module(module) if module else None
    for node in source.body if source else ():
        if source and isinstance(node, ast.ClassDef) and node.name == name:
            return source, node
    return None


def missing_class(target: str) -> str | None:
    """Return why a class of handpose does not exist, or None."""
    module, _, name = target.rpartition(".")
    if (source := _module(module)) is None:
        return f"{target}: there is no module {module}"
    names = [node.name for node in source.body if isinstance(node, ast.ClassDef)]
    if name in names:
        return None
    return f"{target}: {module} has no class {name}{did_you_mean(nearest(name, names))}"


def documented_layout(target: str) -> str:
    """Return the dataset layout: the first indented block of a module's docstring."""
    source = _module(target.rpartition(".")[0])
    lines = iter((ast.get_docstring(source) or "").splitlines() if source else ())
    indented = dropwhile(lambda line: not line.startswith("    "), lines)
    return "\n".join(
        line.strip() for line in takewhile(lambda line: line.startswith("    "), indented)
    )


def class_value(target: Any, attribute: str) -> Any:
    """Return the plain value of a class attribute, inherited ones included.

    Args:
        target: the full name of the class.
        attribute: its name. Returns None if no class of handpose sets it.
    """
    if (found := _class(target)) is None:
        return None
    source, node = found
    for statement in node.body:
        if isinstance(statement, ast.Assign):
            name, value = ast.unparse(statement.targets[0]), statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value:
            name, value = ast.unparse(statement.target), statement.value
        else:
            continue
        if name == attribute:
            return ast.literal_eval(value)
    bases = (_full_name(ast.unparse(base), target, source) for base in node.bases)
    values = (class_value(base, attribute) for base in bases)
    return next((value for value in values if value is not None), None)


def _full_name(name: str, target: Any, source: ast.Module) -> str:
    """Return the full name of a base class, imported or of the same module."""
    for node in ast.walk(source):
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
            return f"{node.module}.{name}"
    return f"{str(target).rpartition('.')[0]}.{name}"
