"""Describe what determines a pre-trained encoder; runs with equal descriptions share one."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from handpose.config.stored import is_free
from handpose.data.positives.joint_places import joint_files

# Paths do not affect weights: `data` and `files` describe the content. Nor do packed raw crops.
_PLACES = ("root", "cache", "quarantine", "packed")
# Code that affects pre-training, relative to the package. A change invalidates cached encoders.
CODE = (
    *("augment", "backbones", "data", "distributed", "evaluation", "geometry", "objectives"),
    *("pipeline/stages", "pipeline/parts.py", "pipeline/auto.py", "pipeline/trainers.py"),
    "pipeline/trainer_flags.py",
    *("training", "weights"),
    *("coco_format.py", "files.py", "records.py", "skeleton.py"),
)
_PACKAGE = Path(__file__).parents[2]
_OF_EVALUATION = "limit_test_batches"  # a flag that does not reach pre-training


def describe(config: dict[str, Any], data: dict[Any, str | None]) -> dict[str, Any]:
    """Return everything that determines the encoder and its results, in plain values.

    Args:
        config: resolved configuration of the run.
        data: fingerprint of each split.
    """
    stage = _that_counts(config, "pretrain")
    probe = stage.pop("probe")
    spec = {
        "seed": config["seed"],
        "backbone": config["backbone"],
        "objective": config["objective"],
        "pretrain": stage | {"dataset": _without_places(stage["dataset"])},
        "trainer": _trainer(config),
        "held_out_batch": config["evaluate"]["batch_size"],
        "data": data,
        "files": _files(
            [config["backbone"].get("weights"), *joint_files(stage["mining"]["joints"])]
        ),
        "code": _code(),
        "torch": version("torch"),
        "timm": version("timm"),
    }
    return spec | ({"probe": _probe(config)} if probe["samples"] is not None else {})


def encoder_makers(configs: Mapping[int, dict[str, Any]]) -> dict[int, int]:
    """Map each cell that needs another cell's encoder to that cell, unless it is in the cache.

    The data are not opened: if they have changed, the cells notice it and train the encoder.

    Args:
        configs: resolved configurations by cell number; the first cell of each encoder trains it.
    """
    makers: dict[str, int] = {}
    others = {}
    for number, config in configs.items():
        if config["objective"].get("_target_") is None or config["pretrain"]["share"] is False:
            continue
        spec = describe(config, {})
        maker = makers.setdefault(json.dumps(spec, sort_keys=True), number)
        if maker != number and not _is_published(Path(config["paths"]["cache"]), spec):
            others[number] = maker
    return others


def _is_published(cache: Path, spec: dict[str, Any]) -> bool:
    """Return whether the cache has an encoder with this description, ignoring the data."""
    return any(
        file.with_name("encoder.pt").exists() and _is_alike(_read(file), spec)
        for file in (cache / "encoders").glob("*/spec.json")
    )


def _is_alike(published: dict[str, Any], spec: dict[str, Any]) -> bool:
    """Return whether descriptions are equal but for the data and what `auto` becomes in a run."""
    there = published.get("trainer", {})
    trainer = {k: there.get(k) if v == "auto" else v for k, v in spec["trainer"].items()}
    return published | {"data": {}} == spec | {"trainer": trainer}


def _read(file: Path) -> dict[str, Any]:
    """Read a spec.json; an empty dict if it is incomplete."""
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _that_counts(config: dict[str, Any], part: str) -> dict[str, Any]:
    return {key: value for key, value in config[part].items() if not is_free(f"{part}.{key}")}


def _trainer(config: dict[str, Any]) -> dict[str, Any]:
    flags = config["trainer"].get("lightning") or {}
    own = {
        name: value
        for name, value in flags.items()
        if name != _OF_EVALUATION and not is_free(f"trainer.lightning.{name}")
    }
    return _that_counts(config, "trainer") | {"lightning": own}


def _probe(config: dict[str, Any]) -> dict[str, Any]:
    """Return what determines the probe's results."""
    return {
        "pretrain.probe": config["pretrain"]["probe"],
        "dataset": _without_places(config["finetune"]["dataset"]),
        "label_fraction": config["finetune"]["label_fraction"],
        "augment": config["evaluate"]["augment"],
        "reference_bone": config["reference_bone"],
    }


def _without_places(node: Any) -> Any:
    if isinstance(node, dict):
        return {k: _without_places(v) for k, v in node.items() if k not in _PLACES}
    return [_without_places(item) for item in node] if isinstance(node, list) else node


def _files(values: list[Any]) -> dict[str, str]:
    """Return the checksum of each file among `values`, including files in folders."""
    found = {}
    for path in [Path(value) for value in values if value is not None]:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in filter(Path.is_file, files):
            with file.open("rb") as content:
                found[file.name] = hashlib.file_digest(content, "sha256").hexdigest()
    return found


@cache
def _code() -> str:
    digest = hashlib.sha256()
    for path in (_PACKAGE / name for name in CODE):
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.relative_to(_PACKAGE).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()
