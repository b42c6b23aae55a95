"""The experiment files: every row of the paper's launcher, and what each says of itself.

That each file composes and passes the checks is shown in test_conf.py, that each row runs in
end_to_end/.
"""

import re
from math import sqrt
from typing import Any

import pytest
from experiments import GEOMETRY_AND_COLOUR, ROWS
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from handpose.config.catalogue import CONF, Catalogue
from handpose.config.content import lookup
from handpose.config.schema import register

CATALOGUE = Catalogue()
FILES = {path.stem: path.read_text() for path in (CONF / "experiment").glob("*.yaml")}
_OURS = ("base_", "synthetic_", "lab_to_wild")  # not experiments of a paper
NAMES = sorted(name for name in FILES if not name.startswith(_OURS))
GUIDE = (CONF.parent / "docs" / "guide" / "experiments.md").read_text()


def header(name: str) -> list[str]:
    """The lines of comment that a file opens with, but for Hydra's own."""
    lines = FILES[name].splitlines()
    assert lines[0] == "# @package _global_"
    end = next(i for i, line in enumerate(lines) if not line.startswith("#"))
    return [line.removeprefix("#").strip() for line in lines[1:end]]


def body(name: str) -> str:
    return "\n".join(line for line in FILES[name].splitlines() if not line.startswith("#"))


def value(name: str, path: str) -> Any:
    """What a file, or one that it builds on, sets a key to."""
    return lookup(CATALOGUE.content("experiment", name), path)


def composed(row: str) -> DictConfig:
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=f"experiment={row}".split())


def test_every_row_of_the_launcher_is_a_command() -> None:
    assert len(ROWS) == len(set(ROWS)) == 65
    assert {row.split()[0] for row in ROWS} == set(NAMES)


@pytest.mark.parametrize("row", ROWS)
def test_the_guide_lists_every_row(row: str) -> None:
    name, *overrides = row.split()
    added = " ".join(overrides)
    assert f"`{added}`" in GUIDE or re.search(rf"`(experiment=)?{row}`", GUIDE)
    assert name in GUIDE


def test_a_sweep_of_the_family_has_the_cells_of_its_rows() -> None:
    """A dictionary turns on several augmentations; it is a value, not a choice."""
    sets = "augment={rotate:true},{rotate:true,crop:true}"
    (override,) = OverridesParser.create().parse_overrides([sets])
    words = [f"augment={cell}" for cell in override.sweep_string_iterator()]
    cells = [composed(f"ablation_relative {word}") for word in words]
    rows = [
        composed("ablation_relative augment.rotate=true"),
        composed("ablation_relative augment.rotate=true augment.crop=true"),
    ]
    assert cells == rows


@pytest.mark.parametrize("name", NAMES)
def test_a_file_says_what_it_is(name: str) -> None:
    command, question, *rest = header(name)
    assert re.fullmatch(
        rf"python train.py experiment={name}( augment.crop=true)? paths.data=DIR", command
    )
    assert question.endswith(("?", "."))
    text = " ".join(rest)
    assert "No published number." in text or "Published on" in text
    assert "Not run here." in text
    assert value(name, "dataset.crop_by") == "joints"
    assert "crops by the true joints" in text.lower()


@pytest.mark.parametrize("name", NAMES)
def test_a_contrastive_file_says_among_how_many_it_compares(name: str) -> None:
    batch, times = (value(name, f"pretrain.{k}") for k in ("batch_size", "accumulate_grad_batches"))
    said = f"negatives among {batch} pairs, {times} x {batch} accumulated"
    is_contrastive = any(part in body_with_bases(name) for part in ("contrastive", "equivariant"))
    is_off = value(name, "objective.weights.contrastive") == 0
    assert (said in " ".join(header(name)).lower()) == (is_contrastive and not is_off)


def body_with_bases(name: str) -> str:
    """The file and those that it builds on, as text."""
    entries = [line.strip("- ") for line in body(name).splitlines() if line.startswith("  - ")]
    return body(name) + "".join(body_with_bases(entry) for entry in entries if entry in FILES)


def test_no_file_is_a_copy_of_another() -> None:
    assert len({body(name) for name in FILES}) == len(FILES)


@pytest.mark.parametrize("name", ["base_paper", "heatmap_relative", "peclr_resnet50"])
def test_learning_rates_follow_the_batch(name: str) -> None:
    pairs = value(name, "pretrain.batch_size") * value(name, "pretrain.accumulate_grad_batches")
    assert pairs == 2048
    assert value(name, "pretrain.optimizer.lr") == pytest.approx(1e-4 * sqrt(pairs), rel=1e-3)
    own = value(name, "finetune.batch_size")
    assert value(name, "finetune.optimizer.lr") == pytest.approx(4.42e-5 * sqrt(own), rel=1e-3)
    # of a loss in px of 128 px crops
    assert value(name, "finetune.optimizer.weight_decay") == pytest.approx(2e-4 / 128, rel=0.05)
    assert value(name, "head.depth_weight") == pytest.approx(5 / 128, rel=0.05)


def on(augment: DictConfig) -> set[str]:
    return {key for key in augment if augment[key] is True}


def test_a_row_composes_to_its_protocol() -> None:
    cfg = composed("ablation_relative augment.crop=true")
    assert cfg.objective._target_.endswith("Relative")
    assert (on(cfg.pretrain.augment), on(cfg.finetune.augment)) == ({"crop"}, {"rotate", "crop"})
    assert cfg.pretrain.augment.shift == [0, 0.14]
    assert cfg.evaluate.augment.margin == cfg.finetune.augment.margin == 1.25
    assert (cfg.backbone.name, cfg.backbone.weights) == ("resnet18", "imagenet")
    assert cfg.finetune.freeze_backbone
    assert cfg.head._target_.endswith("RegressionHead")
    assert cfg.head.hidden_dim is None
    for stage in (cfg.pretrain, cfg.finetune):
        assert stage.dataset._target_.endswith("FreiHand")
        assert (stage.dataset.image_size, stage.dataset.crop_by) == (128, "joints")
        assert stage.optimizer._target_ == "torch.optim.Adam"


def test_protocols_can_be_put_together() -> None:
    """A base's choices and values hold over those of the base that it builds on."""
    cfg = composed("heatmap_contrastive_mix")
    assert (cfg.backbone.name, cfg.backbone.weights) == ("hrnet_w32", None)
    assert cfg.head._target_.endswith("HeatmapHead")
    assert cfg.objective.projection == "keypoints"
    assert (cfg.pretrain.batch_size, cfg.pretrain.max_epochs) == (128, 26)
    assert (cfg.finetune.freeze_backbone, cfg.finetune.max_epochs) == (False, 100)
    cfg = composed("cross_hybrid_to_interhand")
    assert cfg.pretrain.dataset.sources == ["freihand", "interhand"]
    assert cfg.pretrain.dataset.weights is None
    assert cfg.finetune.dataset._target_.endswith("InterHand")
    assert {cfg.pretrain.dataset.crop_by, cfg.finetune.dataset.crop_by} == {"joints"}
    parts = cfg.objective.parts
    assert on(parts.contrastive.augment) == {"colour_jitter"}
    assert on(parts.relative.augment) == {"rotate", "crop"}
    assert parts.relative.augment.saturation == [0.01, 1.0]
    cfg = composed("peclr_resnet152")
    assert (cfg.backbone.name, cfg.backbone.weights) == ("resnet152", "imagenet")
    assert (cfg.head.root, cfg.head.root_depth, cfg.head.hidden_dim) == ("palm", "refined", None)
    assert on(cfg.pretrain.augment) == set(GEOMETRY_AND_COLOUR)
    assert (cfg.pretrain.dataset.image_size, cfg.finetune.dataset.image_size) == (128, 224)


HOW = {"shift_along": "view", "noise": "one_sided", "cut_out_at": "joint", "cut_out_fill": "grey"}


@pytest.mark.parametrize(
    "name",
    [
        *("ablation_contrastive augment.cut_out=true", "ablation_relative augment.rotate=true"),
        *("hybrid", "hybrid_control"),
        *("cross_hybrid_to_interhand", "heatmap_contrastive_mix", "heatmap_equivariant"),
        *("imagenet_frozen", "imagenet_frozen_resnet50", "supervised_resnet50", "peclr_resnet50"),
    ],
)
def test_a_row_does_as_published(name: str) -> None:
    """What the experiments' GUIDE says is as published: of a row of each kind."""
    cfg = composed(name)
    plain = [cfg.objective] if cfg.objective.get("_target_") else []
    parts = list(cfg.objective.parts.values()) if "parts" in cfg.objective else plain
    views = [part.augment for part in parts if "augment" in part] or [cfg.pretrain.augment]
    for augment in (*(views if parts else []), cfg.finetune.augment):
        assert {key: augment[key] for key in HOW} == HOW
    for part in parts:
        if "same_pose_negatives" in part:
            assert part.same_pose_negatives
            assert part.projection != "embedding" or not part.projection_bias
    if cfg.head._target_.endswith("RegressionHead"):
        is_large = cfg.backbone.name == "resnet50" and not name.startswith("peclr")
        expected = (512, "none") if is_large else (None, "relu")
        assert (cfg.head.hidden_dim, cfg.head.activation) == expected


def test_other_runs_do_not() -> None:
    """Their defaults: what a run without a published protocol does is not changed by one."""
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=["objective=contrastive", "head=regression"])
    assert not {key for key in HOW if cfg.pretrain.augment[key] == HOW[key]}
    assert (cfg.objective.projection_bias, cfg.objective.same_pose_negatives) == (True, False)
    assert (cfg.head.hidden_dim, cfg.head.activation) == (512, "relu")
