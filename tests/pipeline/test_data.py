"""A split that is missing: what to do without it."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from layouts import write_freihand

from handpose.config.catalogue import CONF
from handpose.config.schema import register
from handpose.data.base import MissingSplitError
from handpose.pipeline.parts import Caps, build_dataset


def test_no_test_hands_point_to_the_validation_split(tmp_path: Path) -> None:
    write_freihand(tmp_path / "freihand", annotations=4, versions=1, evaluation=0)
    register()
    overrides = ["dataset=freihand", f"paths.data={tmp_path}", f"paths.cache={tmp_path / 'cache'}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=overrides)
    caps = Caps()
    with pytest.raises(MissingSplitError, match=r"test split\. .*evaluate\.split=val"):
        build_dataset(cfg.dataset, "test", caps)
