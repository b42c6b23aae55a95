"""The program's own source, read without importing it."""

import ast
from pathlib import Path
from typing import Any

from handpose.config.refusal import did_you_mean, nearest

_PACKAGE = Path(__file__).resolve().parents[1]


def missing_class(target: str) -> str | None:
    """Why a class of ours is not there, or None."""
    module, _, name = target.rpartition(".")
    source = module_source(module)
    if source is None:
        return f"{target}: there is no module {module}"
    names = [node.name for node in source.body if isinstance(node, ast.ClassDef)]
    if name in names:
        return None
    return f"{target}: {module} has no class {name}{did_you_mean(nearest(name, names))}"


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


def class_value(target: Any, attribute: str) -> Any:
    """What a class of ours, or the nearest of its bases that has it, sets an attribute to.

    Args:
        target: the full name of the class.
        attribute: set to a plain value; None where it is not.
    """
    module, _, name = str(target).rpartition(".")
    source = module_source(module) if module else None
    found = [node for node in ast.walk(source) if isinstance(node, ast.ClassDef)] if source else []
    for node in (node for node in found if node.name == name):
        for statement in node.body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == attribute:
                return ast.literal_eval(statement.value)
        bases = (class_value(_full_name(base, module, source), attribute) for base in node.bases)
        return next((value for value in bases if value is not None), None)
    return None


def parameter_defaults(target: Any) -> dict[str, Any]:
    """The parameters of a class of ours that may be left out, and what they then are.

    Args:
        target: the full name of the class; its bases are not read.
    """
    module, _, name = str(target).rpartition(".")
    source, found = module_source(module) if module else None, dict[str, ast.expr]()
    classes = [node for node in source.body if isinstance(node, ast.ClassDef)] if source else []
    for statement in [each for node in classes if node.name == name for each in node.body]:
        if isinstance(statement, ast.AnnAssign) and statement.value is not None:  # of a dataclass
            found[ast.unparse(statement.target)] = statement.value
        elif isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            pairs = zip(statement.args.kwonlyargs, statement.args.kw_defaults, strict=True)
            found |= {own.arg: default for own, default in pairs if default is not None}
    return {own: ast.literal_eval(default) for own, default in found.items()}


def _full_name(base: ast.expr, module: str, source: ast.Module | None) -> str:
    """Where the base class of a module comes from: another module of ours, or the same."""
    name = ast.unparse(base)
    for node in ast.walk(source) if source else ():
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
            return f"{node.module}.{name}"
    return f"{module}.{name}"
