"""What the page shows of an objective's parts: the views of each, and what train.py takes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from handpose.config import check_command_line
from handpose.config.catalogue import CONF
from handpose.config.schema import register
from handpose.explore.augmentations_tab import CONTROLS, PLAIN, SLIDERS, overrides
from handpose.explore.command import augmentations, dataset_name
from handpose.pipeline.parts import build_augmentation

ANGLE = "angle=[-10,45]"


def composed(*words: str) -> DictConfig:
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=[*words], return_hydra_config=True)


def values(settings: Any) -> list[Any]:
    """Where the controls stand, in their order."""
    switches = [getattr(settings, control.switch) for control in CONTROLS]
    return [*switches, *(slider.value(settings) for slider in SLIDERS)]


def test_each_part_starts_from_its_own_views() -> None:
    cfg = composed("objective=hybrid", "objective.parts.relative.augment.angle=[-7,9]")
    found = augmentations(cfg)
    assert list(found) == ["contrastive", "relative"]
    for name, settings in found.items():
        assert settings == build_augmentation(cfg.objective.parts[name].augment)
        assert settings != build_augmentation(cfg.pretrain.augment)
    assert found["relative"].angle == (-7, 9)
    assert not found["contrastive"].rotate


@pytest.mark.parametrize("objective", ["relative", "contrastive", "none"])
def test_a_plain_objective_has_the_views_of_pretraining(objective: str) -> None:
    cfg = composed(f"objective={objective}")
    assert augmentations(cfg) == {PLAIN: build_augmentation(cfg.pretrain.augment)}


def test_train_takes_what_the_page_offers_for_a_part(make_settings: Callable) -> None:
    base, made = make_settings(), make_settings("rotate", angle=(-10, 45))
    lines = overrides(made, base, part="relative")
    prefix = "objective.parts.relative.augment."
    assert lines == [f"{prefix}rotate=true", f"{prefix}{ANGLE}"]
    check_command_line(["objective=hybrid", *lines])
    plain = overrides(made, base)
    assert plain == ["augment.rotate=true", f"augment.{ANGLE}"]
    check_command_line(["objective=relative", *plain])
    with pytest.raises(SystemExit):
        check_command_line(["objective=hybrid", *plain])


def test_the_heading_names_the_data_of_pretraining() -> None:
    name = dataset_name
    assert name(composed("dataset=freihand")) == "freihand"
    assert name(composed("dataset=freihand", "dataset@pretrain.dataset=folder")) == "folder"
    assert name(composed("dataset=freihand", "dataset@finetune.dataset=folder")) == "freihand"


class Tab:
    """The tab as Gradio keeps it, without a browser."""

    def __init__(self, settings: dict[str, Any], sample: Any) -> None:
        gr = pytest.importorskip("gradio", reason='no Gradio here (pip install -e ".[explore]")')
        from handpose.explore.augmentations_tab import Source, add_augmentations_tab

        class One(list):
            image_size = 32

        source = Source("given", lambda split: One([sample]), settings, seed=5)
        with gr.Blocks() as self.blocks:
            add_augmentations_tab(self.blocks, source)
        self.show = next(f.fn for f in self.blocks.fns.values() if f.name == "show")

    def named(self, name: str) -> Any:
        return next(b for b in self.blocks.blocks.values() if b.elem_id == name)


@pytest.fixture
def sample(make_sample: Callable, rng: np.random.Generator) -> Any:
    return make_sample(rng.integers(0, 256, (60, 60, 3), dtype=np.uint8))


def test_the_part_that_is_chosen_is_drawn_and_offered(sample: Any) -> None:
    settings = augmentations(composed("objective=hybrid"))
    tab = Tab(settings, sample)
    assert tab.named("part").visible
    assert tab.named("relative-rotate").value is True
    assert tab.named("contrastive-rotate").value is False
    controls = [*values(settings["contrastive"]), *values(settings["relative"])]
    controls[len(controls) // 2] = False  # rotation of the second part
    shown = {part: tab.show("train", 0, 0, True, part, *controls) for part in settings}
    assert "as configured" in shown["contrastive"][2]
    assert "<code>objective.parts.relative.augment.rotate=false</code>" in shown["relative"][2]
    assert shown["contrastive"][0] != shown["relative"][0]


def test_a_plain_objective_has_no_parts_to_choose(sample: Any) -> None:
    settings = augmentations(composed("objective=relative"))
    tab = Tab(settings, sample)
    assert not tab.named("part").visible
    controls = [not settings[PLAIN].rotate, *values(settings[PLAIN])[1:]]
    assert tab.named("rotate").value is True
    assert "<code>augment.rotate=false</code>" in tab.show("train", 0, 0, True, PLAIN, *controls)[2]
