"""A configuration in words: the names of the parts, and the main choices."""

from typing import Any

Config = dict[str, Any]
CAPPED = (
    "trainer.caps, or a limit of trainer.lightning, cut this run short: its numbers do not measure "
    "the method."
)
_STAGES = {"pretrain": "objective", "finetune": "head"}  # a stage runs if it has this part


def essence(config: Config) -> str:
    """Returns "synthetic × resnet18 × relative × heatmap", or "a → b × ..." for two datasets."""
    parts = (part_name(config, part) for part in ("backbone", "objective", "head"))
    return " × ".join((_datasets(config), *parts))


def _datasets(config: Config) -> str:
    """Returns those of the stages that run, in their order."""
    paths = [f"{stage}.dataset" for stage in _stages(config)]
    names = dict.fromkeys(part_name(config, path) for path in paths if find(config, path))
    return " → ".join(names) or part_name(config, "dataset")


def _stages(config: Config) -> list[str]:
    return [stage for stage, part in _STAGES.items() if part_name(config, part) != "none"]


def part_name(config: Config, part: str) -> str:
    """Names a part of the configuration.

    Args:
        config: resolved.
        part: dotted path.

    Returns:
        Its `name`, else the module of its class, else its parts; "none" for a null class.
    """
    node = find(config, part)
    if not isinstance(node, dict):
        return str(node) if node else "none"
    if node.get("name"):
        return str(node["name"])
    if "_target_" not in node:
        return " + ".join(key for key, value in node.items() if isinstance(value, dict)) or "none"
    modules = str(node["_target_"] or "none").split(".")
    return modules[-2] if len(modules) > 1 else modules[0]


def find(config: Config, path: str) -> Any:
    """Returns the value at a dotted `path` of `config`, or None."""
    node: Any = config
    for key in path.split("."):
        node = node.get(key) if isinstance(node, dict) else None
    return node


def is_capped(config: Config) -> bool:
    """Returns whether `trainer.caps`, or a limit of `trainer.lightning`, limits the run."""
    limits = {n: v for n, v in _flags(config).items() if n.startswith(("limit_", "overfit_"))}
    return bool(limits) or _has_caps(config)


def _has_caps(config: Config) -> bool:
    return any(cap is not None for cap in (find(config, "trainer.caps") or {}).values())


def _flags(config: Config) -> dict[str, Any]:
    """Returns the flags of Lightning's Trainer that are set."""
    flags = find(config, "trainer.lightning") or {}
    return {name: value for name, value in flags.items() if value is not None}


def key_choices(config: Config) -> dict[str, str]:
    """Returns label -> choice in a few words, without what the configuration lacks."""
    stages = _stages(config)
    is_shared = any(find(config, f"{s}.dataset") == find(config, "dataset") for s in stages)
    weights = find(config, "init_from") or find(config, "backbone.weights") or "random"
    rows = {
        "Objective": part_name(config, "objective"),
        "Head": _head(config),
        "Backbone": f"{part_name(config, 'backbone')}, from {weights} weights",
        "Dataset": _dataset(config, "dataset") if is_shared else "",
        "Pre-training": _stage(config, "pretrain") if "pretrain" in stages else "none",
        "Fine-tuning": _stage(config, "finetune") if "finetune" in stages else "none",
        "Evaluation": _evaluation(config) if "finetune" in stages else "",
        "Reference bone": _plain(find(config, "reference_bone")),
        "Trainer": _trainer(config),
        "Seed": _plain(find(config, "seed")),
    }
    return {label: text for label, text in rows.items() if text}


def _head(config: Config) -> str:
    return _joined(
        part_name(config, "head"),
        "about the palm" if find(config, "head.root") == "palm" else "",
        "root depth refined" if find(config, "head.root_depth") == "refined" else "",
    )


def _dataset(config: Config, path: str) -> str:
    size, crop = find(config, f"{path}.image_size"), find(config, f"{path}.crop_by")
    domain = find(config, f"{path}.domain")  # of rendered hands
    return _joined(
        part_name(config, path) + (f" ({domain})" if domain not in (None, "simple") else ""),
        f"{size} px crops" if size else "",
        f"by {crop}" if crop else "",
    )


def _stage(config: Config, stage: str) -> str:
    """Describes length, batches, optimizer, augmentation, and the dataset if it is another one."""
    own = find(config, stage) or {}
    accumulated = own.get("accumulate_grad_batches") or 1
    batch = _capped(config, own, "batch_size")
    fraction, patience = own.get("label_fraction"), find(own, "early_stopping.patience")
    other = find(config, f"{stage}.dataset") not in (None, find(config, "dataset"))
    return _joined(
        _dataset(config, f"{stage}.dataset") if other else "",
        _epochs(config, own),
        f"batches of {batch}" + (f" × {accumulated}" if accumulated > 1 else "") if batch else "",
        _optimizer(own.get("optimizer")),
        "" if fraction is None else f"{100 * fraction:g} % of the labels",
        {True: "backbone frozen", False: "backbone trained"}.get(own.get("freeze_backbone"), ""),  # type: ignore[arg-type]
        f"averaged weights (decay {own['average_decay']:g})" if own.get("average_decay") else "",
        f"stops after {patience} epochs without improvement" if patience else "",
        _augmentations(config, stage),
    )


def _evaluation(config: Config) -> str:
    """Describes the evaluated dataset if it is not that of fine-tuning."""
    if not find(config, "evaluate.dataset"):
        return ""
    split = find(config, "evaluate.split")
    return _joined(f"{split} split of {_dataset(config, 'evaluate.dataset')}")


def _epochs(config: Config, own: Config) -> str:
    epochs, batches = _capped(config, own, "max_epochs"), find(config, "trainer.caps.batches")
    if epochs is None:
        return ""
    size = "" if batches is None else f" of up to {batches} batch{'es' * (batches != 1)}"
    return f"{epochs} epoch{'s' * (epochs != 1)}{size}"


def _capped(config: Config, own: Config, key: str) -> Any:
    """Returns the value at `key` of a stage, or the smaller one of `trainer.caps`."""
    values = (own.get(key), find(config, f"trainer.caps.{key}"))
    return None if values[0] is None else min(value for value in values if value is not None)


def _optimizer(node: Any) -> str:
    if not isinstance(node, dict) or not node.get("_target_"):
        return ""
    rate = f" at {node['lr']:g}" if isinstance(node.get("lr"), float | int) else ""
    return str(node.get("opt") or node["_target_"].split(".")[-1]) + rate


def _augmentations(config: Config, stage: str) -> str:
    """Describes that of the stage, or that of each part of the objective."""
    parts = (find(config, "objective.parts") or {}) if stage == "pretrain" else {}
    if not parts:
        return _augmentation(find(config, f"{stage}.augment"))
    weights = find(config, "objective.weights") or {}
    used = {name: part for name, part in parts.items() if weights.get(name) != 0}
    return ", ".join(f"{name} {_augmentation(part['augment'])}" for name, part in used.items())


def _augmentation(node: Any) -> str:
    """Lists the switches that are on, and their strength if it is not 1."""
    switches = {name: on for name, on in (node or {}).items() if isinstance(on, bool)}
    if not switches:
        return ""
    on = [name.replace("_", " ") for name, value in switches.items() if value]
    strength = node.get("strength", 1.0)
    times = f" at strength {strength:g}" if on and strength != 1.0 else ""
    return "augmented by " + (" + ".join(on) or "nothing") + times


def _trainer(config: Config) -> str:
    node = find(config, "trainer") or {}
    caps = "capped (debug)" if _has_caps(config) else ""
    flags = (f"{name}={value}" for name, value in _flags(config).items())
    return _joined(node.get("accelerator"), node.get("precision"), caps, *flags)


def _joined(*parts: Any) -> str:
    return ", ".join(str(part) for part in parts if part)


def _plain(value: Any) -> str:
    return "" if value is None else str(value)
