"""Sources and facts for the doctor's tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from layouts import write_freihand

from handpose.data.base import HandDataset, Split
from handpose.data.sources.freihand import FreiHand
from handpose.doctor.findings import SourceFacts, SplitFacts
from handpose.doctor.measures import Measures
from handpose.doctor.sources import Source


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """8 annotations x 2 versions for training, 4 for evaluation."""
    folder = tmp_path / "freihand"
    write_freihand(folder, annotations=8, versions=2, evaluation=4)
    return folder


@pytest.fixture
def make_source(tmp_path: Path) -> Callable[..., Source]:
    """make_source(root, quarantine=None): FreiHAND there, a quarter of it for validation."""

    def make(root: Path, quarantine: str | None = None) -> Source:
        settings = {"quarantine": quarantine, "val_fraction": 0.25, "root": str(root)}

        def open_split(split: Split, other: str | None) -> HandDataset:
            changed: dict[str, Any] = settings | ({"quarantine": other} if other else {})
            cache = str(tmp_path / "index")
            return FreiHand(cache=cache, box_side=0.7, split=split, image_size=64, **changed)

        return Source("dataset", "freihand", open_split, settings)

    return make


def split_facts(split: Split, **changes: Any) -> SplitFacts:
    """Ten hands with every label, and nothing odd about them."""
    counts = dict(hands=10, num_images=10, poses=10, left=5)
    labels = dict(labelled_2d=10, labelled_3d=10, cameras=10)
    measures = Measures(10, 0.1, 0.4, 1.0, 92.0)
    return SplitFacts(split, **{**counts, **labels, "measures": measures, **changes})


@pytest.fixture
def make_split() -> Callable[..., SplitFacts]:
    """make_split(name, **changes)"""
    return split_facts


@pytest.fixture
def make_facts() -> Callable[..., SourceFacts]:
    """make_facts(**changes): a source with nothing to say about it."""
    splits = tuple(split_facts(name) for name in ("train", "val", "test"))
    healthy = SourceFacts(
        key="dataset",
        name="some",
        settings={"root": "data/some"},
        layout="",
        index_folder="cache/index/some",
        counts={},
        warnings=(),
        findings=(),
        gone_bad=(),
        is_fatal=False,
        splits=splits,
        missing={},
        crops_by_labels=False,
    )
    return lambda **changes: healthy._replace(**changes)
