"""Sources in their layouts, opened as train.py and as scripts/doctor.py open them."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from handpose.config.catalogue import CONF
from handpose.config.schema import register
from handpose.data.base import HandDataset, Split
from handpose.doctor.advice import Request
from handpose.doctor.diagnosis import diagnose
from handpose.doctor.sources import Source
from handpose.pipeline.parts import Caps, build_dataset


@cache
def composed(*overrides: str) -> DictConfig:
    """The run's dataset."""
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=list(overrides)).dataset


class Reader:
    """A source below a folder, opened as train.py and as the doctor open it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, name: str, *overrides: str, split: Split = "train") -> HandDataset:
        own = ["dataset.file=labels.jsonl"] if name == "manifest" else []
        line = [f"dataset={name}", f"paths.data={self.folder}", f"paths.cache={self.folder}/cache"]
        return build_dataset(composed(*line, *own, *overrides), split, Caps())

    def refusal(self, name: str, *overrides: str) -> str:
        """The words of a training's refusal; the doctor's have all its reasons."""
        with pytest.raises(ValueError, match=r"bad files|cannot be used|holds no hand") as caught:
            self.open(name, *overrides)
        problems = caught.value.problems  # type: ignore[attr-defined]
        source = Source(
            "dataset", name, lambda split, other: self.open(name, *overrides, split=split), {}
        )
        found = diagnose({"dataset": [source]}, Request([], self.folder))
        assert not found.is_ready
        assert {tuple(problem) for problem in problems} == {
            (finding.file, finding.reason) for s in found.sources for finding in s.refused
        }
        return str(caught.value)


def rows(root: Path, change: Callable[[int, dict[str, Any]], Any]) -> None:
    """Changes each line of a manifest."""
    lines = [json.loads(line) for line in (root / "labels.jsonl").read_text().splitlines()]
    for number, line in enumerate(lines):
        change(number, line)
    (root / "labels.jsonl").write_text("\n".join(map(json.dumps, lines)))
