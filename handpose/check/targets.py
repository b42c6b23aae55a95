"""What a `_target_` may name, and what its source says, read without importing it."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from handpose.check.refusal import did_you_mean, nearest

_PACKAGE = Path(__file__).resolve().parents[1]
_ALLOWED = ("handpose.", "torch.optim.", "timm.optim.")


def targets(content: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted path, value) of each `_target_`, within lists too."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key == "_target_":
                yield f"{prefix}{key}", value
            else:
                yield from targets(value, f"{prefix}{key}.")
    elif isinstance(content, list):
        for index, value in enumerate(content):
            yield from targets(value, f"{prefix}{index}.")


def target_problems(content: dict[str, Any]) -> list[str]:
    """A problem for each `_target_` that may not be built, or of ours that does not exist."""
    found = ((path, _target_problem(value)) for path, value in targets(content))
    return [f"{path}={lookup_text}" for path, lookup_text in found if lookup_text]


def _target_problem(target: Any) -> str | None:
    if target is None:
        return None
    if not isinstance(target, str) or not target.startswith(_ALLOWED):
        return f"{target}: only {', '.join(f'{name}*' for name in _ALLOWED)} and null are built"
    if not target.startswith("handpose."):
        return None
    module, _, name = target.rpartition(".")
    source = module_source(module)
    if source is None:
        return f"{target}: there is no module {module}"
    names = [node.name for node in source.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    if name in names:
        return None
    return f"{target}: {module} has no {name}{did_you_mean(nearest(name, names))}"


def module_source(module: str) -> ast.Module | None:
    """The syntax tree of a module of ours, or None where there is no such file."""
    file = _PACKAGE.joinpath(*module.split(".")[1:])
    file = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8")) if file.is_file() else None


def documented_layout(target: str) -> str:
    """The first indented block of the docstring of a target's module: a source's files on disk."""
    source = module_source(target.rpartition(".")[0])
    lines = (ast.get_docstring(source) or "").splitlines() if source else []
    block: list[str] = []
    for line in lines:
        if line.startswith("    "):
            block.append(line.strip())
        elif block:
            break
    return "\n".join(block)
