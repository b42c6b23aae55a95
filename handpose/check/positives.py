"""Mined positives: an objective that takes them, and the joints by which they are found."""

import ast
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from handpose.check.source import documented_layout, module_source
from handpose.check.values import found_value

# The class attribute of an objective (see `handpose/objectives/base.py`), read without an import.
_FLAG = "takes_mined_positives"
_READER = "handpose.data.predictions.read_predictions"


def positives_problems(cfg: DictConfig) -> list[str]:
    """A problem for an objective, and for a folder of predictions, that cannot be used."""
    if found_value(cfg, "pretrain.positives") != "mined":
        return []
    return _objective_problems(cfg) + _joints_problems(found_value(cfg, "pretrain.mining.joints"))


def _objective_problems(cfg: DictConfig) -> list[str]:
    parts = found_value(cfg, "objective.parts") or {"": found_value(cfg, "objective")}
    targets = [part.get("_target_") for part in parts.values() if isinstance(part, dict)]
    if any(_is_true(target) for target in targets):
        return []
    names = " and ".join(str(target).rpartition(".")[2].lower() for target in targets)
    return [
        f"pretrain.positives=mined: objective={names} needs two views of one image; choose "
        "objective=contrastive, equivariant or hybrid, or pretrain.positives=self"
    ]


def _is_true(target: Any) -> bool:
    """Whether a class, or the nearest of its bases that says anything of the flag, sets it."""
    module, _, name = str(target).rpartition(".")
    source = module_source(module) if module else None
    found = [node for node in ast.walk(source) if isinstance(node, ast.ClassDef)] if source else []
    for node in (node for node in found if node.name == name):
        for statement in node.body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == _FLAG:
                return ast.literal_eval(statement.value)
        return any(_is_true(_full_name(base, module, source)) for base in node.bases)
    return False


def _full_name(base: ast.expr, module: str, source: ast.Module | None) -> str:
    """Where the base class of a module comes from: another module of ours, or the same."""
    name = ast.unparse(base)
    for node in ast.walk(source) if source else ():
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
            return f"{node.module}.{name}"
    return f"{module}.{name}"


def _joints_problems(joints: Any) -> list[str]:
    if not isinstance(joints, str) or joints == "given":
        return []
    folder = Path(joints)
    missing = [name for name in ("train.npy", "val.npy") if not (folder / name).is_file()]
    if not missing:
        return []
    layout = documented_layout(_READER).replace("\n", "\n    ")
    return [
        f"pretrain.mining.joints={joints}: there is no {' and no '.join(missing)} "
        f"({folder.absolute()}). Give `given` for the labels, or a folder:\n    {layout}"
    ]
