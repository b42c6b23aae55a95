"""A finished run as a shared folder, and a shared folder as a run directory.

`HandPose.from_run`, `handpose predict`, `backbone.weights` and `init_from` take the latter.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from safetensors.torch import load_file, save_file
from torch import Tensor

from handpose.config.schema import register
from handpose.config.stored import check_model
from handpose.export.card import Shared, model_card
from handpose.hub import manifest
from handpose.hub.privacy import public_config, public_results
from handpose.pipeline import parts
from handpose.pipeline.run_directory import CONFIG, RESULTS, read_config, read_json, write_json
from handpose.pipeline.run_directory import MODEL as MODEL_FILE
from handpose.pipeline.stages.evaluate import open_model
from handpose.pipeline.stages.pretrain import BACKBONE as BACKBONE_FILE
from handpose.weights import torch_file

KINDS = ("backbone", "model")
_FILES = {"backbone": BACKBONE_FILE, "model": MODEL_FILE}
_METADATA = {"format": "pt"}  # as transformers and timm write it


def write_bundle(run_dir: Path, folder: Path, *, kinds: Sequence[str], name: str) -> None:
    """Writes the shared folder of a finished run.

    Args:
        run_dir: the run's directory.
        folder: empty.
        kinds: "backbone", "model" or both.
        name: "owner/name" on the Hub, for the card; empty for a folder.

    Raises:
        ValueError: the run is unfinished or corrupt, or lacks one of `kinds`.
    """
    config, results = _finished(run_dir)
    weights = {kind: _write_weights(run_dir, folder, kind, config) for kind in kinds}
    public = public_config(config)
    write_json(folder / CONFIG, public)
    write_json(folder / RESULTS, public_results(results, config))
    files = tuple(file for file in manifest.TENSORS if (folder / file).exists())
    card = model_card(
        public,
        public_results(results, config),
        parts.build_terms(OmegaConf.create(config)),
        shared=Shared(name, files),
    )
    (folder / manifest.CARD).write_text(card, encoding="utf-8")
    manifest.write_manifest(folder, weights)


def kinds_of(run_dir: Path) -> list[str]:
    """Returns which of "backbone" and "model" a run has."""
    return [kind for kind, file in _FILES.items() if (run_dir / file).is_file()]


def _finished(run_dir: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Reads configuration and results; checks that the configuration is one of a run."""
    if not (run_dir / RESULTS).is_file():
        what = f"not finished, no {RESULTS}" if run_dir.is_dir() else "no such run"
        raise ValueError(f"{run_dir}: {what}; name the directory of a finished training")
    config = read_config(run_dir)
    register()
    check_model(config)
    return config, read_json(run_dir / RESULTS)


def _write_weights(
    run_dir: Path, folder: Path, kind: str, config: dict[str, Any]
) -> dict[str, Any]:
    """Writes the tensors of a weights file; returns what is beside them."""
    path = run_dir / _FILES[kind]
    if not path.is_file():
        raise ValueError(f"{run_dir}: has no {path.name}")
    content = torch_file.load(path)
    tensors, beside = manifest.BACKBONE, content.get("decoder")
    second, note = manifest.DECODER, {}
    if kind == "model":
        confidence = content.get("confidence") or {"calibration": None, "note": "not calibrated"}
        tensors, second, beside = manifest.MODEL, manifest.CALIBRATION, confidence["calibration"]
        note = {"confidence_note": confidence["note"]}
    _save(content["state_dict"], folder / tensors)
    if beside is not None:
        _save(beside, folder / second)
    meta = dict(content["meta"])
    return {"meta": public_results(meta, config)} | note


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    # safetensors refuses tensors that share memory.
    save_file({name: t.clone().contiguous() for name, t in tensors.items()}, path, _METADATA)


def read_bundle(folder: Path, target: Path) -> list[str]:
    """Verifies a shared folder and writes it as a run directory.

    Every file is checked against its checksum, the configuration names allowed classes alone, and
    the weights fit the network that it describes.

    Args:
        folder: the shared folder; its files are not trusted.
        target: an empty folder.

    Returns:
        Which of "backbone" and "model" it has.

    Raises:
        ValueError: a file is missing, corrupt, malformed or unsafe; names it.
    """
    found = manifest.read_manifest(folder)
    manifest.verify(folder, found["files"])
    kinds = [kind for kind in KINDS if f"{kind}.safetensors" in found["files"]]
    if not kinds:
        raise ValueError(f"{folder}: has no weights. Name a repository with {manifest.MODEL}")
    cfg = _checked_config(folder)
    for kind in kinds:
        content = _read_weights(folder, kind, found)
        torch_file.save(torch_file.versioned(content), target / _FILES[kind])
    for name in (CONFIG, RESULTS, manifest.CARD):
        if name in found["files"]:
            manifest.copy(folder / name, target / name)
    _check_fit(cfg, target, kinds)
    return kinds


def _checked_config(folder: Path) -> DictConfig:
    register()
    try:
        return check_model(read_config(folder))
    except ValueError as error:
        raise ValueError(f"{folder / CONFIG}: {error}") from None


def _read_weights(folder: Path, kind: str, found: dict[str, Any]) -> dict[str, Any]:
    """Reads one kind of weights as the content of its file in a run directory."""
    own = found.get(kind)
    meta = own.get("meta") if isinstance(own, dict) else None
    if not isinstance(own, dict) or not isinstance(meta, dict):
        raise ValueError(f"{folder / manifest.MANIFEST}: has no `{kind}.meta`. Get the files again")
    state = _load(folder / f"{kind}.safetensors")
    second = manifest.DECODER if kind == "backbone" else manifest.CALIBRATION
    beside = _load(folder / second) if second in found["files"] else None
    content: dict[str, Any] = {"state_dict": state, "meta": meta}
    if kind == "backbone":
        return content | {"decoder": beside}
    note = str(own.get("confidence_note", "not calibrated"))
    return content | {"confidence": {"calibration": beside, "note": note}}


def _load(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except Exception as error:  # safetensors raises an error of its own
        raise ValueError(f"{path} is not a safetensors file ({error})") from None


def _check_fit(cfg: DictConfig, target: Path, kinds: Sequence[str]) -> None:
    """Raises ValueError unless the weights fit the networks of the configuration."""
    try:
        if "model" in kinds:
            open_model(cfg, target)
        if "backbone" in kinds:
            content = torch_file.load(target / BACKBONE_FILE)
            parts.build_backbone(cfg).network.load_state_dict(content["state_dict"])
    except (RuntimeError, KeyError, TypeError, AssertionError) as error:
        raise ValueError(f"the weights do not fit {CONFIG}: {error}") from None
