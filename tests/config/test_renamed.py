"""A run that an older version began is known by the names of today."""

import json
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import get_class
from omegaconf import OmegaConf

from handpose.config.catalogue import CONF
from handpose.config.renamed import RENAMED, with_current_names
from handpose.config.schema import register
from handpose.config.stored import changes
from handpose.pipeline.run_directory import read_config


def resolved(*overrides: str) -> dict[str, Any]:
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return OmegaConf.to_container(compose("config", overrides=list(overrides)), resolve=True)  # type: ignore[return-value]


def as_written_before(config: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(config)
    for old, new in RENAMED.items():
        text = text.replace(f"{new}.", f"{old}.")
    before = json.loads(text)
    before["pretrain"] |= {"lease_seconds": 60, "give_way_minutes": None}
    return before


@pytest.mark.parametrize("source", ["synthetic", "freihand", "mix"])
def test_a_stored_configuration_of_old_names_is_that_of_today(source: str, tmp_path: Path) -> None:
    now = resolved(f"dataset={source}")
    before = as_written_before(now)
    assert before != now
    assert with_current_names(before) == now
    assert changes(before, now) == []
    (tmp_path / "config.json").write_text(json.dumps(before))
    assert read_config(tmp_path) == now


def test_every_new_name_exists() -> None:
    for source in RENAMED:
        name = source.rpartition(".")[2]
        content = OmegaConf.load(CONF / "dataset" / f"{name}.yaml")
        old = f"{source}.{content._target_.rpartition('.')[2]}"
        assert get_class(with_current_names({"_target_": old})["_target_"])
