"""The parts of an objective: those with a weight, each with the views that it draws."""

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from handpose.config.catalogue import CONF
from handpose.config.schema import register
from handpose.pipeline.parts import build_backbone, build_objective, build_view_augmentations


def _composed(*overrides: str) -> DictConfig:
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=["objective=hybrid", *overrides])


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        ((), {"contrastive", "relative"}),
        (("objective.weights.contrastive=0",), {"relative"}),
        (("objective.weights.relative=0.0",), {"contrastive"}),
        (("objective.weights.relative=0.1",), {"contrastive", "relative"}),
    ],
)
def test_a_part_of_no_weight_draws_no_views(overrides: tuple[str, ...], parts: set[str]) -> None:
    cfg = _composed(*overrides)
    augmentations = build_view_augmentations(cfg)
    objective = build_objective(cfg, build_backbone(cfg), augmentations)
    assert set(augmentations) == set(objective.parts) == set(objective.weights) == parts
