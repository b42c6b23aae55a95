"""A run without Hydra's main: composed in a notebook, then handed to `run(cfg)`."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig

from handpose.config.catalogue import CONF
from handpose.config.schema import register
from handpose.pipeline.run import run


@pytest.fixture(autouse=True)
def _without_main() -> Iterator[None]:
    """As in a new interpreter: Hydra's configuration is of a process, and other tests set it."""
    before, HydraConfig.instance().cfg = HydraConfig.instance().cfg, None
    register()
    yield
    HydraConfig.instance().cfg = before


def test_a_composed_configuration_runs(cache: Path, tmp_path: Path) -> None:
    tiny = ["trainer=debug", "objective=none", "dataset.image_size=32", "report=false"]
    overrides = [*tiny, f"paths.cache={cache}", f"paths.runs={tmp_path}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=overrides, return_hydra_config=True)
        again = compose(
            "config", overrides=[*overrides, "hydra.run.dir=again"], return_hydra_config=True
        )
    run_dir = run(cfg)
    assert run_dir.parents[1] == tmp_path  # <date>/<time>-<id>, as of train.py
    assert json.loads((run_dir / "results.json").read_text())["pa_epe_mm"] > 0
    assert (run_dir / ".hydra" / "overrides.yaml").read_text().splitlines()[0] == "- trainer=debug"
    assert "hydra" not in json.loads((run_dir / "config.json").read_text())
    assert run(cfg) == run_dir  # finished already
    again.hydra.run.dir = str(tmp_path / "again")
    assert run(again) == tmp_path / "again"  # its own, not that of the run before


def test_without_hydras_part_the_right_call_is_named() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config")
    with pytest.raises(ValueError, match="return_hydra_config=True"):
        run(cfg)


def test_it_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overrides = ["finetune.max_epochs=0", f"paths.runs={tmp_path}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=overrides, return_hydra_config=True)
    with pytest.raises(SystemExit):
        run(cfg)
    assert "finetune.max_epochs=0: expected" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
