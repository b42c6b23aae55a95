"""What our own source says about the classes that a configuration names, read without an import."""

import ast
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any

from handpose.messages import did_you_mean, nearest

_PACKAGE = Path(__file__).resolve().parents[1]


def _module(name: str) -> ast.Module | None:
    """Return the syntax tree of a module of ours, or None where there is no such file."""
    file = _PACKAGE.joinpath(*name.split(".")[1:])
    file = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8")) if file.is_file() else None


def _class(target: Any) -> tuple[ast.Module, ast.ClassDef] | None:
    """Return a class by its full name, and the module that it is in."""
    module, _, name = str(target).rpartition(".")
    source = _module(module) if module else None
    for node in source.body if source else ():
        if source and isinstance(node, ast.ClassDef) and node.name == name:
            return source, node
    return None


def missing_class(target: str) -> str | None:
    """Return why a class of ours is not there, or None."""
    module, _, name = target.rpartition(".")
    if (source := _module(module)) is None:
        return f"{target}: there is no module {module}"
    names = [node.name for node in source.body if isinstance(node, ast.ClassDef)]
    if name in names:
        return None
    return f"{target}: {module} has no class {name}{did_you_mean(nearest(name, names))}"


def documented_layout(target: str) -> str:
    """Return the first indented block of a module's docstring: the files of a dataset."""
    source = _module(target.rpartition(".")[0])
    lines = iter((ast.get_docstring(source) or "").splitlines() if source else ())
    indented = dropwhile(lambda line: not line.startswith("    "), lines)
    return "\n".join(
        line.strip() for line in takewhile(lambda line: line.startswith("    "), indented)
    )


def class_value(target: Any, attribute: str) -> Any:
    """Return the plain value that a class, or its nearest base, sets an attribute to.

    Args:
        target: the full name of the class.
        attribute: the name; None is returned where no class of ours sets it.
    """
    if (found := _class(target)) is None:
        return None
    source, node = found
    for statement in node.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == attribute:
            return ast.literal_eval(statement.value)
    bases = (_full_name(ast.unparse(base), target, source) for base in node.bases)
    values = (class_value(base, attribute) for base in bases)
    return next((value for value in values if value is not None), None)


def _full_name(name: str, target: Any, source: ast.Module) -> str:
    """Return the full name of a base class, which is imported or of the same module."""
    for node in ast.walk(source):
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
            return f"{node.module}.{name}"
    return f"{str(target).rpartition('.')[0]}.{name}"
