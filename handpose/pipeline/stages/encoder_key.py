"""What decides a pre-trained encoder: two runs for which it is equal can share one."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from handpose.config.stored import is_free

# Where things lie changes no weight: `data` and `files` tell what lies there.
_PLACES = ("root", "cache", "quarantine")
# Code that takes no part in pre-training.
_OTHER_CODE = (
    *("config", "doctor", "explore", "export", "heads", "predict", "progress", "report"),
    *("study", "sweep"),
)


def describe(cfg: DictConfig, data: dict[Any, str | None]) -> dict[str, Any]:
    """All on which the encoder and what is measured on it depend, in plain values.

    Args:
        cfg: of the run.
        data: the fingerprint of each split.
    """
    whole: Any = OmegaConf.to_container(cfg, resolve=True)
    stage = _that_counts(whole, "pretrain")
    stage.pop("probe")
    spec = {
        "seed": cfg.seed,
        "backbone": whole["backbone"],
        "objective": whole["objective"],
        "pretrain": stage | {"dataset": _without_places(stage["dataset"])},
        "trainer": _that_counts(whole, "trainer"),
        "held_out_batch": cfg.evaluate.batch_size,
        "data": data,
        "files": _files([cfg.backbone.get("weights"), cfg.pretrain.mining.joints]),
        "code": _code(),
        "torch": torch.__version__,
    }
    return spec | ({"probe": _probe(whole)} if cfg.pretrain.probe.samples is not None else {})


def _that_counts(whole: dict[str, Any], part: str) -> dict[str, Any]:
    return {key: value for key, value in whole[part].items() if not is_free(f"{part}.{key}")}


def _probe(whole: dict[str, Any]) -> dict[str, Any]:
    """What the online probe's numbers depend on."""
    return {
        "pretrain.probe": whole["pretrain"]["probe"],
        "dataset": _without_places(whole["finetune"]["dataset"]),
        "label_fraction": whole["finetune"]["label_fraction"],
        "augment": whole["evaluate"]["augment"],
        "reference_bone": whole["reference_bone"],
    }


def _without_places(node: Any) -> Any:
    if isinstance(node, dict):
        return {k: _without_places(v) for k, v in node.items() if k not in _PLACES}
    return [_without_places(item) for item in node] if isinstance(node, list) else node


def _files(values: list[Any]) -> dict[str, str]:
    """The content of each value that is a file or a folder of files."""
    found = {}
    for path in [Path(value) for value in values if isinstance(value, str)]:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in filter(Path.is_file, files):
            with file.open("rb") as content:
                found[file.name] = hashlib.file_digest(content, "sha256").hexdigest()
    return found


def _code() -> str:
    """A checksum of the code that pre-trains: encoders of another version are not reused."""
    package, digest = Path(__file__).parents[2], hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        room = file.relative_to(package).parts[0].removesuffix(".py")
        if room not in _OTHER_CODE:
            digest.update(file.relative_to(package).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()
