"""Mined positives: an objective that takes them, and the joints by which they are found."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from handpose.config.source import class_value, documented_layout
from handpose.config.values import found_value

# The class attribute of an objective (see `handpose/objectives/base.py`), read without an import.
_FLAG = "takes_mined_positives"
_READER = "handpose.data.positives.joint_files.read_predictions"


def positives_problems(cfg: DictConfig) -> list[str]:
    """A problem for an objective, and for a folder of predictions, that cannot be used."""
    if found_value(cfg, "pretrain.positives") != "mined":
        return []
    return _objective_problems(cfg) + _joints_problems(found_value(cfg, "pretrain.mining.joints"))


def _objective_problems(cfg: DictConfig) -> list[str]:
    parts = found_value(cfg, "objective.parts") or {"": found_value(cfg, "objective")}
    targets = [part.get("_target_") for part in parts.values() if isinstance(part, dict)]
    if any(class_value(target, _FLAG) for target in targets):
        return []
    names = " and ".join(str(target).rpartition(".")[2].lower() for target in targets)
    return [
        f"pretrain.positives=mined: objective={names} needs two views of one image; choose "
        "objective=contrastive, equivariant or hybrid, or pretrain.positives=self"
    ]


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
