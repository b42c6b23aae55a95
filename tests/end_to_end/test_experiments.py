"""The rows of the paper's protocol run, on a few hands in the official layouts."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from experiments import ROWS
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from layouts import write_freihand, write_interhand, write_youtube
from omegaconf import DictConfig, OmegaConf

from handpose.config.catalogue import Catalogue
from handpose.config.checks.composed import find_problems
from handpose.config.composer import Composer
from handpose.config.schema import register
from handpose.distributed.interrupt import Interrupt
from handpose.evaluation.summarise import summarise
from handpose.pipeline.parts import build_view_augmentations
from handpose.pipeline.stages.evaluate import evaluate
from handpose.pipeline.stages.finetune import finetune
from handpose.pipeline.stages.fit import StageContext
from handpose.pipeline.stages.pretrain import pretrain
from handpose.pipeline.stages.splits import build_splits
from handpose.pipeline.summary import begin_log
from handpose.weights import torch_file

CATALOGUE = Catalogue()
# With no switch, one, or all of a group. Those between differ in their combination alone.
RUN = [row for row in ROWS if row.count("=true") not in (2, 3)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the datasets that the paper trains on."""
    folder = tmp_path_factory.mktemp("data")
    write_freihand(folder / "freihand")
    write_interhand(folder / "interhand")
    write_youtube(folder / "youtube")
    return folder


def small(row: str, data: Path) -> list[str]:
    """An experiment with small crops in each stage that has a dataset of its own, and without the
    weights of ImageNet, which would have to be downloaded."""
    name, *overrides = row.split()
    content = CATALOGUE.content("experiment", name)
    own = [stage for stage in ("pretrain", "finetune") if "dataset" in content.get(stage, {})]
    sizes = [f"{stage}.dataset.image_size=32" for stage in own]
    sizes += ["dataset.image_size=32"] * (len(own) < 2)  # for the other stages
    sizes += ["finetune.label_fraction=0.5"] * ("label_fraction" in content.get("finetune", {}))
    rest = ["trainer.caps.samples=8", "backbone.weights=null", f"paths.data={data}"]
    return [f"experiment={name}", *overrides, *sizes, *rest]


def composed(overrides: list[str]) -> DictConfig:
    """The checked configuration, composed once; train.py does so three times."""
    register()
    composer = Composer(CATALOGUE, "config")
    with composer.opened():
        parser = OverridesParser.create(GlobalHydra.instance().config_loader())
        cfg, problems = composer.composed(parser.parse_overrides(overrides))
    assert cfg is not None
    assert problems + find_problems(cfg, CATALOGUE) == []
    return OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"])  # as a run has it


@pytest.fixture
def weights_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of weights stay empty, and the weights are kept here: 65 experiments would write tens
    of GB, and do little else."""
    kept: dict[Path, Any] = {}

    def save(content: Any, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        kept[path] = copy.deepcopy({"state_dict": content["state_dict"]})

    monkeypatch.setattr(torch_file, "save", save)
    monkeypatch.setattr(torch_file, "load", lambda path: kept[path])


@pytest.mark.slow
def test_every_row_between_makes_its_augmentations(data: Path) -> None:
    between = [row for row in ROWS if row not in RUN]
    assert len(between) == 20
    for row in between:
        cfg = composed(["trainer=debug", *small(row, data)])
        (made,) = build_view_augmentations(cfg).values()
        on = [word.removeprefix("augment.").removesuffix("=true") for word in row.split()[1:]]
        assert all(getattr(made, switch) for switch in on)
        assert sum(value is True for value in vars(made).values()) == len(on)


@pytest.mark.slow
@pytest.mark.usefixtures("weights_in_memory")
@pytest.mark.parametrize("row", RUN)
def test_an_experiment_runs(row: str, data: Path, cache: Path, tmp_path: Path) -> None:
    tiny = ["trainer=debug", f"paths.cache={cache}"]
    cfg = composed([*tiny, *small(row, data)])
    splits = build_splits(cfg, tmp_path)
    run_log = begin_log(cfg, splits, tmp_path)
    context = StageContext(cfg, tmp_path, splits, [], Interrupt(), run_log)
    backbone, pretext = pretrain(context)
    is_pretrained = any(key.startswith("pretext_") for key in pretext)
    assert is_pretrained == (not row.startswith(("imagenet_", "supervised_")))
    model, _ = finetune(context, backbone)
    results = summarise(evaluate(context, model)[0])
    assert results["n_test"] > 0
    assert results["pa_epe_mm"] > 0


@pytest.mark.slow
def test_the_program_runs_one(train: Callable[..., Path], data: Path) -> None:
    run_dir = train(*small("cross_hybrid_to_freihand", data))
    assert json.loads((run_dir / "results.json").read_text())["pa_epe_mm"] > 0
