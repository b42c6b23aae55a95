"""A run keeps its cut; an evaluation on val says whether it is still the same."""

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from handpose.config.catalogue import CONF
from handpose.config.schema import register
from handpose.data.unreadable import UnreadableList
from handpose.pipeline.run import overlap
from handpose.pipeline.run_directory import CONFIG, CUT
from handpose.pipeline.stages.splits import Splits
from handpose.pipeline.stages.validation_cut import cut_note, record_cut


def hands(split: str, *groups: int, name: str = "freihand") -> Any:
    return SimpleNamespace(split=split, cut_groups={name: np.array(groups)} if groups else {})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The directory of a run on FreiHAND."""
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=["dataset=freihand", "objective=none"])
    content = OmegaConf.to_container(OmegaConf.masked_copy(cfg, ["objective", "head"]))
    content |= {"finetune": {"dataset": OmegaConf.to_container(cfg.dataset, resolve=True)}}
    (tmp_path / CONFIG).write_text(json.dumps(content))
    return tmp_path


def test_the_same_cut_is_no_news(run: Path) -> None:
    record_cut(run, [hands("train", 1, 2, 3), hands("val", 4, 5), hands("test")])
    assert cut_note(run, hands("val", 4, 5)) is None
    assert cut_note(run, hands("val", 4)) is None  # one of them was left out since
    assert cut_note(run, hands("val", 1, name="mpii")) is None  # of another source
    assert cut_note(run, hands("test")) is None


def test_hands_that_were_trained_on_are_told(run: Path) -> None:
    record_cut(run, [hands("train", 1, 2, 3), hands("val", 4, 5)])
    note = cut_note(run, hands("val", 2, 3, 4, 9))
    assert note is not None
    assert "Of 4 groups of the val split, the run trained on 2 and did not have 1" in note


def test_an_older_run_has_no_record(run: Path) -> None:
    note = cut_note(run, hands("val", 4))
    assert note is not None
    assert "unknown" in note
    assert cut_note(run, hands("val", 4, name="mpii")) is None
    assert cut_note(run, hands("val")) is None  # the source's own split


def test_a_resumed_run_adds_what_it_trains_on(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    record_cut(run, [hands("train", 1, 2, 3), hands("val", 4)])
    assert "freihand: 1 of 4 groups (25.0%) are for validation" in caplog.text
    (run / "checkpoints").mkdir()
    record_cut(run, [hands("train", 1, 2, 3), hands("val", 4)])
    assert "another cut" not in caplog.text
    record_cut(run, [hands("train", 2, 3, 4), hands("val", 1)])
    assert "another cut" in caplog.text
    assert json.loads((run / CUT).read_text())["freihand"]["train"] == [1, 2, 3, 4]


def test_sources_with_a_cut_of_their_own_leave_no_record(run: Path) -> None:
    record_cut(run, [hands("train"), hands("val")])
    assert not (run / CUT).exists()


def test_another_evaluated_dataset_with_hands_that_the_run_trains_on_is_told(
    run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its own val_fraction cuts otherwise than that of fine-tuning."""

    def told(*groups: int) -> dict[str, Any]:
        evaluated: Any = SimpleNamespace(source=hands("val", *groups))
        return overlap(Splits({}, {}, evaluated, {}, UnreadableList(run / "list", limit=1)), run)

    record_cut(run, [hands("train", 1, 2, 3), hands("val", 4, 5)])
    assert told(4, 5) == {}
    assert "the run trained on 1 and did not have 0" in told(3, 4)["cut_note"]
    assert "evaluate.dataset: freihand: the cut differs from the run's" in caplog.text
