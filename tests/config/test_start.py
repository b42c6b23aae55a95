"""A model that is trained further must be one that this run can make, and be left as it is."""

import json
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from handpose.config.checks.folders import start_problems


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run, as far as is looked at."""
    config = {
        "backbone": {"name": "resnet18"},
        "head": {"_target_": "Heatmap", "root": "wrist", "root_depth": "solve"},
        "reference_bone": "index",
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.pt").touch()
    return tmp_path


def settings(run: Path, **changed: object) -> DictConfig:
    """A run that begins with the model of `run`."""
    config = OmegaConf.create(
        {
            "init_from": str(run),
            "backbone": {"name": "resnet18", "weights": None},
            "head": {"_target_": "Heatmap", "root": "wrist", "root_depth": "solve"},
            "objective": {"_target_": None},
            "reference_bone": "index",
        }
    )
    for key, value in changed.items():
        OmegaConf.update(config, key.replace("__", ".", 1), value)
    return config


def test_a_run_or_its_model_will_do(run: Path) -> None:
    assert start_problems(settings(run)) == []
    assert start_problems(settings(run / "model.pt")) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"objective___target_": "Relative"}, "add objective=none"),
        ({"head___target_": None}, "choose that head"),
        ({"backbone__weights": "imagenet"}, "add backbone.weights=null"),
        ({"reference_bone": "middle"}, "has reference_bone=index, and this run middle"),
        ({"head__root": "palm"}, "has head.root=wrist, and this run palm"),
        ({"head__root_depth": "refined"}, "has head.root_depth=solve, and this run refined"),
        ({"backbone__name": "resnet50"}, "has backbone.name=resnet18, and this run resnet50"),
    ],
)
def test_what_could_not_go_on_with_it_is_refused(
    run: Path, changed: dict[str, object], expected: str
) -> None:
    assert expected in start_problems(settings(run, **changed))[0]


def test_without_a_model_there_is_nothing_to_go_on_with(run: Path) -> None:
    (run / "model.pt").unlink()
    assert f"no such file ({run / 'model.pt'})" in start_problems(settings(run))[0]
