"""What was run, in words: the names of the parts, and the choices that matter most."""

from typing import Any

Config = dict[str, Any]


def essence(config: Config) -> str:
    """ "synthetic × resnet18 × relative × heatmap"; "a → b × ..." where the datasets differ."""
    parts = (part_name(config, part) for part in ("backbone", "objective", "head"))
    return " × ".join((_datasets(config), *parts))


def _datasets(config: Config) -> str:
    """Those of the stages that ran, in their order."""
    stages = {"pretrain": "objective", "finetune": "head"}
    ran = [
        f"{stage}.dataset" for stage, part in stages.items() if part_name(config, part) != "none"
    ]
    names = dict.fromkeys(part_name(config, path) for path in ran if find(config, path))
    return " → ".join(names) or part_name(config, "dataset")


def part_name(config: Config, part: str) -> str:
    """Its own `name`, else the module of its class, else its parts; "none" for a null class."""
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
    """The value at a dotted path, None where there is none."""
    node: Any = config
    for key in path.split("."):
        node = node.get(key) if isinstance(node, dict) else None
    return node


def key_choices(config: Config) -> dict[str, str]:
    """Label -> choice, each in a few words; what the configuration lacks is left out."""
    weights = find(config, "init_from") or find(config, "backbone.weights") or "random"
    rows = {
        "Objective": part_name(config, "objective"),
        "Head": _head(config),
        "Backbone": f"{part_name(config, 'backbone')}, from {weights} weights",
        "Dataset": _dataset(config, "dataset") if _is_used(config) else "",
        "Pre-training": _stage(config, "pretrain")
        if part_name(config, "objective") != "none"
        else "none",
        "Fine-tuning": _stage(config, "finetune")
        if part_name(config, "head") != "none"
        else "none",
        "Reference bone": _plain(find(config, "reference_bone")),
        "Trainer": _trainer(config),
        "Seed": _plain(find(config, "seed")),
    }
    return {label: text for label, text in rows.items() if text}


def _is_used(config: Config) -> bool:
    """Whether a stage that runs has the run's own dataset; each may have another."""
    stages = {"pretrain": "objective", "finetune": "head"}
    ran = [stage for stage, part in stages.items() if part_name(config, part) != "none"]
    return any(find(config, f"{stage}.dataset") == find(config, "dataset") for stage in ran)


def _head(config: Config) -> str:
    """Its name, and where it departs from a wrist whose depth is solved."""
    parts = (
        part_name(config, "head"),
        "about the palm" if find(config, "head.root") == "palm" else "",
        "root depth refined" if find(config, "head.root_depth") == "refined" else "",
    )
    return ", ".join(part for part in parts if part)


def _dataset(config: Config, path: str) -> str:
    size, crop = find(config, f"{path}.image_size"), find(config, f"{path}.crop_by")
    parts = (
        part_name(config, path),
        f"{size} px crops" if size else "",
        f"by {crop}" if crop else "",
    )
    return ", ".join(part for part in parts if part)


def _stage(config: Config, stage: str) -> str:
    """The stage's length, batches, optimizer and augmentation; its data where they are its own."""
    own = find(config, stage) or {}
    accumulated = own.get("accumulate_grad_batches") or 1
    batch = own.get("batch_size")
    fraction = own.get("label_fraction")
    other = find(config, f"{stage}.dataset") not in (None, find(config, "dataset"))
    parts = (
        _dataset(config, f"{stage}.dataset") if other else "",
        f"{own['max_epochs']} epochs" if "max_epochs" in own else "",
        f"batches of {batch}" + (f" × {accumulated}" if accumulated > 1 else "") if batch else "",
        _optimizer(own.get("optimizer")),
        "" if fraction is None else f"{100 * fraction:g} % of the labels",
        {True: "backbone frozen", False: "backbone trained"}.get(own.get("freeze_backbone"), ""),  # type: ignore[arg-type]
        _augmentations(config, stage),
    )
    return ", ".join(part for part in parts if part)


def _optimizer(node: Any) -> str:
    if not isinstance(node, dict) or not node.get("_target_"):
        return ""
    rate = f" at {node['lr']:g}" if isinstance(node.get("lr"), float | int) else ""
    return node["_target_"].split(".")[-1] + rate


def _augmentations(config: Config, stage: str) -> str:
    """That of the stage; in pre-training that of each part of the objective, where it has parts."""
    parts = (find(config, "objective.parts") or {}) if stage == "pretrain" else {}
    if not parts:
        return _augmentation(find(config, f"{stage}.augment"))
    weights = find(config, "objective.weights") or {}
    used = {name: part for name, part in parts.items() if weights.get(name) != 0}
    return ", ".join(f"{name} {_augmentation(part['augment'])}" for name, part in used.items())


def _augmentation(node: Any) -> str:
    """The switches that are on."""
    switches = {name: on for name, on in (node or {}).items() if isinstance(on, bool)}
    if not switches:
        return ""
    on = [name.replace("_", " ") for name, value in switches.items() if value]
    return "augmented by " + (" + ".join(on) or "nothing")


def _trainer(config: Config) -> str:
    node = find(config, "trainer") or {}
    parts = (
        node.get("accelerator"),
        node.get("precision"),
        "capped (debug)" if node.get("caps") else "",
    )
    return ", ".join(str(part) for part in parts if part)


def _plain(value: Any) -> str:
    return "" if value is None else str(value)
