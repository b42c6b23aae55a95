"""Fine-tuning asks for joints: a source that never has any is refused for it."""

from typing import Any

from omegaconf import DictConfig

from handpose.config.source import class_value
from handpose.config.tree import lookup
from handpose.config.values import found_value

# The class attribute of a source (see `handpose/data/base.py`), read without an import.
_FLAG = "is_never_labelled"


def labels_problems(cfg: DictConfig, content: dict[str, Any]) -> list[str]:
    """A problem where every source to be fine-tuned on is one without labels."""
    if lookup(content, "head._target_") is None:
        return []
    dataset = found_value(cfg, "finetune.dataset")
    targets = _targets(dataset) if isinstance(dataset, dict) else []
    if not targets or not all(class_value(target, _FLAG) for target in targets):
        return []
    name = str(targets[0]).split(".")[-2]
    return [
        f"finetune.dataset: {name} has no joints to fine-tune a head on. Pre-train on it, "
        f"dataset@pretrain.dataset={name} pretrain.dataset.root=DIR, beside a labelled dataset=, "
        "or stop after pre-training with head=none"
    ]


def _targets(dataset: dict[str, Any]) -> list[Any]:
    """The class of a source, or those of the sources that a mix takes."""
    sources, parts = dataset.get("sources"), dataset.get("parts")
    if not isinstance(sources, list) or not isinstance(parts, dict):
        return [dataset.get("_target_")]
    return [parts[name].get("_target_") for name in sources if isinstance(parts.get(name), dict)]
