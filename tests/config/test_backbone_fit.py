"""Names and image sizes of backbones are checked before the run, without torch or timm."""

import timm
from omegaconf import OmegaConf

from handpose.config.catalogue import Catalogue
from handpose.config.checks.backbone_fit import (
    fits_objective,
    known_name,
    timm_names,
    whole_patches,
)

TIMM = "handpose.backbones.timm_backbone.TimmBackbone"


def config(name: str, size: int = 64, target: str = TIMM) -> OmegaConf:
    return OmegaConf.create(
        {
            "backbone": {"_target_": target, "name": name},
            "objective": {"_target_": None},
            "head": {"_target_": "handpose.heads.heatmap.HeatmapHead"},
            "pretrain": {"dataset": {"image_size": 33}},
            "finetune": {"dataset": {"image_size": size}},
        }
    )


def test_every_name_of_timm_is_known() -> None:
    assert set(timm.list_models()) <= set(timm_names())


def test_a_mistyped_name_gets_the_nearest_of_timm() -> None:
    catalogue = Catalogue()
    assert known_name(config("vit_small_patch14_dinov2.lvd142m"), catalogue) == []
    (problem,) = known_name(config("convnxt_tiny.fb_in22k"), catalogue)
    assert "timm has no such model; did you mean convnext_tiny?" in problem
    (problem,) = known_name(config("hf-hub:someone/model"), catalogue)
    assert "timm.list_models()" in problem
    resnet = "handpose.backbones.resnet.ResNet"
    (problem,) = known_name(config("hrnet_w18", target=resnet), catalogue)
    assert "choose backbone=hrnet_w18" in problem


def test_the_patch_size_must_divide_the_images_of_the_stages_that_run() -> None:
    catalogue = Catalogue()
    assert whole_patches(config("vit_small_patch16_224"), catalogue) == []
    assert whole_patches(config("vit_small_patch14_dinov2", 448), catalogue) == []
    assert whole_patches(config("swin_tiny_patch4_window7_224"), catalogue) == []
    (problem,) = whole_patches(config("xcit_nano_12_p8_224", 60), catalogue)
    assert problem.startswith("finetune.dataset.image_size=60: is no multiple of 8")
    (problem,) = whole_patches(config("vit_small_patch14_dinov2.lvd142m"), catalogue)
    assert "set 224 or 448" in problem


def test_a_backbone_that_an_objective_does_not_work_with_is_refused_with_those_that_fit() -> None:
    catalogue = Catalogue()
    mae = {"_target_": "handpose.objectives.mae.MaskedAutoencoder"}
    relative = {"_target_": "handpose.objectives.relative.Relative"}
    for name in ("resnet18", "convnext_tiny", "vit_small_patch16_dinov3"):
        cfg = config(name)
        cfg.objective = mae
        (problem,) = fits_objective(cfg, catalogue)
        assert problem.startswith(f"objective=mae: does not work with backbone.name={name}; choose")
        assert "backbone=vit_base or backbone=vit_small or a model of timm among vit_*" in problem
        cfg.objective = {
            "_target_": "handpose.objectives.hybrid.Hybrid",
            "parts": {"a": relative, "b": mae},
            "weights": {"a": None, "b": 0},
        }
        assert fits_objective(cfg, catalogue) == []  # left out
        cfg.objective.weights.b = None
        assert len(fits_objective(cfg, catalogue)) == 1
        cfg.objective = relative
        assert fits_objective(cfg, catalogue) == []
    cfg = config("vit_base_patch14_dinov2.lvd142m")
    cfg.objective = mae
    assert fits_objective(cfg, catalogue) == []
