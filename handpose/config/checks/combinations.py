"""Checks of values that are valid alone but do not fit together."""

from collections.abc import Callable
from typing import Any

from omegaconf import DictConfig

from handpose.config.catalogue import Catalogue
from handpose.config.checks.safety import class_value
from handpose.config.content import found_value
from handpose.config.schema import num_processes

Found = list[str]


def stages(cfg: DictConfig) -> list[str]:
    """Return the stages of a run."""
    parts = {"pretrain": "objective._target_", "finetune": "head._target_"}
    return [stage for stage, key in parts.items() if found_value(cfg, key) is not None]


def dataset_keys(cfg: DictConfig) -> list[str]:
    """Return the keys of the datasets in use: of the stages, and of an evaluation on another."""
    used = stages(cfg)
    if "finetune" in used and found_value(cfg, "evaluate.dataset") is not None:
        used.append("evaluate")
    if "pretrain" not in used and "finetune" in used and found_value(cfg, "finetune.adapt_norm"):
        used.insert(0, "pretrain")
    return [f"{stage}.dataset" for stage in used]


def _nothing_to_do(cfg: DictConfig, _: Catalogue) -> Found:
    problem = "objective=none head=none: nothing to do; choose an objective, a head, or both"
    return [] if stages(cfg) else [problem]


def _views_of_parts(cfg: DictConfig, catalogue: Catalogue) -> Found:
    """Refuse an augmentation that no part of the objective reads, and parts without weight."""
    parts, given = found_value(cfg, "objective.parts"), found_value(cfg, "pretrain.augment")
    if "pretrain" not in stages(cfg) or not isinstance(parts, dict) or not isinstance(given, dict):
        return []
    weights = found_value(cfg, "objective.weights")
    if isinstance(weights, dict) and weights and all(weight == 0 for weight in weights.values()):
        return ["objective.weights: all are 0, so nothing is learned; set one above 0"]
    unread = catalogue.content("augment", "none")
    changed = [key for key in unread if given.get(key) != unread[key]]
    if not changed:
        return []
    instead = " or ".join(f"objective.parts.{name}.augment.{changed[0]}" for name in parts)
    return [
        f"augment ({', '.join(changed)}): has no effect, as each part of the objective has its own "
        f"views; leave it out, and set {instead}"
    ]


def _labels(cfg: DictConfig, _: Catalogue) -> Found:
    """Refuse to fine-tune or evaluate on sources without any labels."""
    problems = []
    for key in dataset_keys(cfg):
        name = None if key == "pretrain.dataset" else _unlabelled(found_value(cfg, key))
        if name and key == "finetune.dataset":
            problems.append(
                f"{key}: {name} has no joints to fine-tune a head on. Pre-train on it "
                f"(dataset@pretrain.dataset={name} pretrain.dataset.root=DIR) with a labelled "
                "dataset= for fine-tuning, or stop after pre-training with head=none"
            )
        elif name:
            problems.append(
                f"{key}: {name} has no joints to evaluate on; choose a labelled one, "
                "dataset@evaluate.dataset=LABELLED, or leave it out"
            )
    return problems


def _unlabelled(dataset: Any) -> str | None:
    """Return the name of a dataset whose sources never have labels; None for any other."""
    if not isinstance(dataset, dict):
        return None
    sources, parts = dataset.get("sources"), dataset.get("parts")
    nodes = [dataset]
    if isinstance(sources, list) and isinstance(parts, dict):
        nodes = [parts[name] for name in sources if isinstance(parts.get(name), dict)]
    targets = [node.get("_target_") for node in nodes]
    if not targets or not all(class_value(target, "is_never_labelled") for target in targets):
        return None
    return str(targets[0]).split(".")[-2]


def _size_of_evaluated_crops(cfg: DictConfig, _: Catalogue) -> Found:
    """Refuse to evaluate on crops of another size than those of fine-tuning."""
    own, side = (found_value(cfg, f"{s}.dataset.image_size") for s in ("evaluate", "finetune"))
    if "evaluate.dataset" not in dataset_keys(cfg) or own == side:
        return []
    return [
        f"evaluate.dataset.image_size={own}: differs from finetune.dataset.image_size={side}, the "
        f"crops that the model is trained on; set evaluate.dataset.image_size={side}"
    ]


def _mined_positives(cfg: DictConfig, _: Catalogue) -> Found:
    """Refuse mined positives with an objective that needs two views of one image."""
    if found_value(cfg, "pretrain.positives") != "mined" or "pretrain" not in stages(cfg):
        return []
    parts = found_value(cfg, "objective.parts") or {"": found_value(cfg, "objective")}
    targets = [part.get("_target_") for part in parts.values() if isinstance(part, dict)]
    if any(class_value(target, "takes_mined_positives") for target in targets):
        return []
    names = " and ".join(str(target).rpartition(".")[2].lower() for target in targets)
    return [
        f"pretrain.positives=mined: objective={names} needs two views of one image; choose "
        "an objective of invariance, such as contrastive or byol, or pretrain.positives=self"
    ]


def _weight_decay(cfg: DictConfig, _: Catalogue) -> Found:
    """Refuse a decoupled weight decay that diverges.

    AdamW's w <- (1 - lr * weight_decay) w changes sign above 1 and diverges above 2.
    """
    problems = []
    for stage in stages(cfg):
        optimizer = found_value(cfg, f"{stage}.optimizer") or {}
        rate, decay = (
            value if isinstance(value := optimizer.get(name), int | float) else 0
            for name in ("lr", "weight_decay")
        )
        if optimizer.get("_target_") == "torch.optim.AdamW" and rate * decay > 1:
            problems.append(
                f"{stage}: optimizer.lr={rate:g} times optimizer.weight_decay={decay:g} is "
                f"{rate * decay:g}: each step removes more than the whole weight, and training "
                "diverges; lower one of them (usual: 1e-3 and 0.01)"
            )
    return problems


def _stride_of_heatmaps(cfg: DictConfig, _: Catalogue) -> Found:
    stride, side = found_value(cfg, "head.stride"), found_value(cfg, "finetune.dataset.image_size")
    if not isinstance(stride, int) or not isinstance(side, int) or side % stride == 0:
        return []
    divisors = [str(n) for n in range(1, 17) if side % n == 0]
    return [
        f"head.stride={stride}: does not divide finetune.dataset.image_size={side}; "
        f"set {' or '.join(divisors)}"
    ]


def _width_of_decoder(cfg: DictConfig, _: Catalogue) -> Found:
    """Refuse a head that does not fit the decoder of the objective or its last part."""
    width, objective = found_value(cfg, "head.width"), found_value(cfg, "objective")
    if not found_value(cfg, "finetune.transfer_decoder") or not isinstance(objective, dict):
        return []
    if "pretrain" not in stages(cfg):
        return []
    parts: dict[str, Any] = objective.get("parts") or {}
    nodes = {f"objective.parts.{name}": part for name, part in parts.items()}
    widths = [
        (f"{key}.decoder_width", node["decoder_width"])
        for key, node in (nodes or {"objective": objective}).items()
        if "decoder_width" in node
        and (node.get("num_keypoints", 0) or node.get("projection", "embedding") != "embedding")
    ]
    if not isinstance(width, int) or not widths or widths[-1][1] == width:
        return []
    key, own = widths[-1]
    return [
        f"{key}={own}: the head starts from that decoder and has head.width={width}; make them "
        "equal, or set finetune.transfer_decoder=false"
    ]


def _processes(cfg: DictConfig, _: Catalogue) -> Found:
    """Refuse batches that several processes cannot divide, and options that need GPUs."""
    count, problems = num_processes(cfg.trainer), []
    if count == 1:
        return []
    for stage in stages(cfg):
        size, cap = (
            found_value(cfg, f"{stage}.batch_size"),
            found_value(cfg, "trainer.caps.batch_size"),
        )
        batch = min(size, cap) if isinstance(cap, int) else size
        capped = f" (capped at {cap})" if batch != size else ""
        if batch % count or batch < 2 * count:
            problems.append(
                f"{stage}.batch_size={size}{capped}: is divided among {count} processes "
                "(trainer.devices x trainer.num_nodes), with two or more for each; set a multiple "
                f"of {count} that is at least {2 * count}"
            )
    if cfg.trainer.sync_batchnorm and cfg.trainer.accelerator == "cpu":
        problems.append(
            "trainer.sync_batchnorm=true: torch supports it on GPUs only; leave it out with "
            "trainer.accelerator=cpu"
        )
    return problems


def _resident(cfg: DictConfig, _: Catalogue) -> Found:
    """Refuse resident data without packed crops, or with views that workers make."""
    if cfg.trainer.resident is not True:
        return []
    if cfg.trainer.augment_on == "workers":
        return [
            "trainer.resident=true: needs views that the device makes; set "
            "trainer.augment_on=device, or leave out trainer.augment_on"
        ]
    return [
        f"trainer.resident=true: needs packed crops; leave out {stage}.dataset.packed=false"
        for stage in stages(cfg)
        if found_value(cfg, f"{stage}.dataset.packed") is False
    ]


def _lossy_packs(cfg: DictConfig, _: Catalogue) -> Found:
    """Refuse JPEG crops that a run would only sometimes use: they change its result."""
    return [
        f"{key}.pack_format=jpeg: changes the pixels, so it needs {key}.packed=true; set it, or "
        "leave out pack_format"
        for key in dataset_keys(cfg)
        if found_value(cfg, f"{key}.pack_format") == "jpeg"
        and found_value(cfg, f"{key}.packed") is not True
    ]


Check = Callable[[DictConfig, Catalogue], Found]
CHECKS: tuple[Check, ...] = (
    _views_of_parts,
    _labels,
    _mined_positives,
    _nothing_to_do,
)
# These compute with values, so each value must be valid alone.
CHECKS_OF_RIGHT_VALUES: tuple[Check, ...] = (
    _lossy_packs,
    _processes,
    _resident,
    _weight_decay,
    _stride_of_heatmaps,
    _size_of_evaluated_crops,
    _width_of_decoder,
)
