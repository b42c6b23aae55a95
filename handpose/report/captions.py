"""The page's figures in their order, and the words under them."""

from typing import NamedTuple

_PREDICTIONS = (
    "Above, the prediction in its fingers’ colours and the truth in white over the source image. "
    "Below, both in 3D, at one scale for the row: the prediction after the alignment that the "
    "error is measured after, the truth in grey. Joints without a label are not drawn."
)


class Figure(NamedTuple):
    """Where a figure of `make_figures` goes and what is said of it."""

    name: str
    caption: str
    narrowest: int = 0  # px of width below which it scrolls rather than shrinks


TRAINING = (
    Figure(
        "loss_pretrain",
        "Pre-training, a value an epoch. A dashed line is chance, what the best constant answer or "
        "a guess gets: a metric that stays on it has learned nothing.",
        900,
    ),
    Figure(
        "loss_finetune",
        "Fine-tuning, a value an epoch. The errors are those of the validation split, in mm after "
        "alignment and in px of the crop.",
        900,
    ),
)
STEPS = (
    Figure(
        "steps_pretrain",
        "Pre-training, a value of single steps. The gradient norm is that before the step, of all "
        "parameters; images count each view; memory is the most so far.",
        900,
    ),
    Figure("steps_finetune", "Fine-tuning, the same.", 900),
)
HEALTH = (
    Figure(
        "health",
        "Of the backbone’s embeddings of held-out pairs; dashed, those of the network before "
        "training. Alignment and uniformity: Wang and Isola, 2020; rank: RankMe, Garrido et al., "
        "2023; equivariance error: the part of the turn between two views that a regression "
        "bilinear in them does not read. Of a hybrid objective the first part’s views, for the "
        "turn the first that do turn. Compare runs on the same views: where views differ in "
        "geometry alone, alignment is invariance to geometry.",
        900,
    ),
)
ACCURACY = (
    Figure(
        "pck",
        "The share of joints whose aligned error is at most the threshold, over 0 to 50 mm, and "
        "the area under it (AUC), beside the constant mean pose.",
    ),
    Figure(
        "pck2d",
        "The share of joints whose 2D error is at most the threshold, in sides of the box about "
        "the labelled joints, and the area under it (AUC).",
    ),
    Figure(
        "error_per_joint",
        "The mean error of each joint, from the wrist out; the black marks are the constant mean "
        "pose’s.",
    ),
)
VIEWS = (
    Figure(
        "view_pairs",
        "Pairs of views and the map from the first to the second. The third picture is view 1 "
        "moved by the map’s rotation, scale and shift, its colours left as they are: the hand "
        "should lie where it lies in view 2. Beyond the border of view 1 its mirror image fills "
        "the rest.",
        900,
    ),
)
PREDICTIONS = (
    Figure("predictions_best", f"The best. {_PREDICTIONS}", 960),
    Figure("predictions_median", "The middle: as many samples are better as are worse.", 960),
    Figure("predictions_worst", "The worst, the worst of all first.", 960),
)
# heading, style sheet's class, figures
SECTIONS: tuple[tuple[str, str, tuple[Figure, ...]], ...] = (
    ("Training", "", TRAINING),
    ("Training, step by step", "", STEPS),
    ("Health of the representation", "", HEALTH),
    ("Accuracy", "pair", ACCURACY),
    ("What pre-training sees", "", VIEWS),
    ("Predictions", "", PREDICTIONS),
)
