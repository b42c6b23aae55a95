"""The rows of the paper's launcher and PeCLR's, each as the words after `experiment=`."""

from itertools import combinations

GEOMETRY_AND_COLOUR = ("rotate", "crop", "random_crop", "colour_jitter")
APPEARANCE = ("colour_drop", "gaussian_blur", "gaussian_noise", "cut_out", "sobel")
_SETS = [s for size in (1, 2, 3, 4) for s in combinations(GEOMETRY_AND_COLOUR, size)]


def _with(name: str, switches: tuple[str, ...]) -> str:
    return " ".join([name, *(f"augment.{switch}=true" for switch in switches)])


_WITHOUT = ("", *(f" objective.parts.relative.augment.{s}=false" for s in ("rotate", "crop")))
_OTHERS = (
    *(
        f"cross_{o}_to_{d}"
        for o in ("contrastive", "hybrid", "relative")
        for d in ("freihand", "interhand")
    ),
    *(f"heatmap_contrastive_{d}" for d in ("freihand", "interhand", "mix")),
    *("heatmap_equivariant", "heatmap_hybrid", "heatmap_relative"),
    *("imagenet_frozen", "imagenet_frozen_resnet50", "peclr_resnet50", "peclr_resnet152"),
    *("semi_supervised", "supervised_heatmap", "supervised_resnet18", "supervised_resnet50"),
)
ROWS = [
    *(_with("ablation_contrastive", switches) for switches in _SETS),
    *(_with("ablation_contrastive", (switch,)) for switch in APPEARANCE),
    *(_with("ablation_relative", switches) for switches in _SETS),
    *(_with("interhand_relative", (switch,)) for switch in GEOMETRY_AND_COLOUR),
    *(f"{name}{without}" for name in ("hybrid", "hybrid_control") for without in _WITHOUT),
    *_OTHERS,
]
