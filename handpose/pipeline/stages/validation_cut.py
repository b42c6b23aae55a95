"""Record a run's cut into training and validation for later evaluations."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from handpose.data.base import HandDataset
from handpose.pipeline import parts
from handpose.pipeline.run_directory import CUT, read_config, read_json, write_json

_log = logging.getLogger(__name__)


def record_cut(run_dir: Path, sources: Iterable[HandDataset]) -> None:
    """Store the capture groups of each source and split, and log the validation share.

    The file is {source: {split: [group numbers]}} (see `HandDataset.cut_groups`). A resumed run
    with changed data adds to it.

    Args:
        run_dir: folder of the file.
        sources: splits in use.
    """
    path, has_begun = run_dir / CUT, (run_dir / "checkpoints").is_dir()
    before, kept = _read(path), _read(path)
    for source in sources:
        for name, groups in source.cut_groups.items():
            own = kept.setdefault(name, {})
            own[source.split] = sorted({*own.get(source.split, []), *groups.tolist()})
    if kept != before:
        write_json(path, kept)
        if has_begun:
            _log.warning("%s: the run started with another cut; the data or the rule changed", path)
    for name, own in kept.items():
        train, val = (len(own.get(split, [])) for split in ("train", "val"))
        part = f"{val / max(1, train + val):.1%}"
        _log.info("%s: %d of %d groups (%s) are for validation", name, val, train + val, part)


def cut_note(run_dir: Path, dataset: HandDataset) -> str | None:
    """Describe how the run's cut differs from the current one; None if it does not.

    Args:
        run_dir: finished run.
        dataset: split that the run is evaluated on.
    """
    now = dataset.cut_groups if dataset.split == "val" else {}
    kept = _read(run_dir / CUT)
    sources = now.keys() & (kept.keys() or _trained_on(run_dir))
    notes = (_difference(name, now[name], kept.get(name)) for name in sorted(sources))
    return "; ".join(note for note in notes if note) or None


def _difference(name: str, val: np.ndarray, kept: dict[str, list[int]] | None) -> str | None:
    if kept is None:
        return (
            f"{name}: the run has no {CUT}, so its cut into training and validation is unknown. "
            "The rule of the cut has changed since: the run may have trained on these hands"
        )
    trained = int(np.isin(val, kept.get("train", [])).sum())
    other = int((~np.isin(val, kept.get("train", []) + kept.get("val", []))).sum())
    if trained == other == 0:
        return None
    return (
        f"{name}: the cut differs from the run's. Of {len(val)} groups of the val split, the run "
        f"trained on {trained} and did not have {other}"
    )


def _trained_on(run_dir: Path) -> set[str]:
    """Return the names of the sources of a run's stages."""
    config = OmegaConf.create(read_config(run_dir))
    return {name for terms in parts.build_terms(config).values() for name in terms}


def _read(path: Path) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}
