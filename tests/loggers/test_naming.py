"""Names that read: the parts, then what is not the default, then what varies."""

from typing import Any

import pytest

from handpose.loggers.naming import SweepPlace, identity, run_name

SYNTHETIC = {"_target_": "handpose.data.sources.synthetic.Synthetic"}
FREIHAND = {"_target_": "handpose.data.sources.freihand.FreiHand"}
YOUTUBE = {"_target_": "handpose.data.sources.youtube.YouTube"}
NONE = {"_target_": None}


def config(**changes: Any) -> dict[str, Any]:
    dataset = changes.pop("dataset", SYNTHETIC)
    pretrained_on = changes.pop("pretrained_on", dataset)
    return {
        "objective": {"_target_": "handpose.objectives.relative.Relative"},
        "head": {"_target_": "handpose.heads.heatmap.Heatmap"},
        "backbone": {"_target_": "x", "name": "resnet18", "weights": changes.pop("weights", None)},
        "dataset": dataset,
        "pretrain": {"dataset": pretrained_on},
        "finetune": {"dataset": dataset, "label_fraction": changes.pop("fraction", 1.0)},
        "init_from": None,
        "seed": 5,
        "trainer": {"caps": {"batches": changes.pop("batches", None)}},
    } | changes


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "relative-heatmap-resnet18-s5"),
        ({"dataset": FREIHAND}, "relative-heatmap-resnet18-freihand-s5"),
        ({"dataset": FREIHAND, "fraction": 0.05}, "relative-heatmap-resnet18-freihand-5pct-s5"),
        (
            {"dataset": FREIHAND, "pretrained_on": YOUTUBE},
            "relative-heatmap-resnet18-youtube-to-freihand-s5",
        ),
        ({"dataset": FREIHAND, "pretrained_on": YOUTUBE, "objective": NONE, "seed": 7},
         "none-heatmap-resnet18-freihand-s7"),
        ({"head": NONE, "fraction": 0.05}, "relative-none-resnet18-s5"),
        ({"weights": "imagenet"}, "relative-heatmap-resnet18-from-imagenet-s5"),
        ({"weights": "/runs/first/backbone.pt"}, "relative-heatmap-resnet18-from-first-s5"),
        ({"weights": "/w/moco_v2.pth"}, "relative-heatmap-resnet18-from-moco_v2-s5"),
    ],
)  # fmt: skip
def test_a_name_tells_what_is_not_the_default(changes: dict[str, Any], name: str) -> None:
    assert run_name(config(**changes)) == name


def test_a_cell_is_named_by_what_varies_and_does_not_stand_in_its_name_yet() -> None:
    varied = ("objective=relative", "pretrain.optimizer.lr=0.01", "finetune.optimizer.lr=0.1")
    varied += ("optimizer@pretrain.optimizer=lars", "augment=full", "seed=5")
    cell = SweepPlace("first", "objective-relative", varied)
    words = "pretrain.lr=0.01-finetune.lr=0.1-pretrain.optimizer=lars-augment=full"
    assert run_name(config(), cell) == f"relative-heatmap-resnet18-{words}-s5"


def test_a_run_of_a_study_has_the_name_of_its_folder() -> None:
    cell = SweepPlace("rates", "runs/relative/heatmap/labels-0.05/seed-5", ("seed=5",))
    assert run_name(config(), cell) == cell.folder
    assert len(run_name(config(), SweepPlace("rates", "a/" + 200 * "b"))) == 128


def test_only_a_sweep_is_a_group() -> None:
    assert identity(config()).group is None
    assert identity(config(), SweepPlace("first", "one")).group == "first"


@pytest.mark.parametrize(
    ("changes", "job_type", "tags"),
    [
        ({}, "train", "relative heatmap resnet18 synthetic pretrain finetune"),
        ({"head": NONE}, "pretrain", "relative resnet18 synthetic pretrain"),
        ({"objective": NONE}, "finetune", "heatmap resnet18 synthetic finetune"),
        ({"batches": 2}, "train", "relative heatmap resnet18 synthetic pretrain finetune capped"),
        (
            {"dataset": FREIHAND, "pretrained_on": YOUTUBE},
            "train",
            "relative heatmap resnet18 youtube freihand pretrain finetune",
        ),
    ],
)
def test_job_type_and_tags_are_those_of_the_stages_that_train(
    changes: dict[str, Any], job_type: str, tags: str
) -> None:
    own = identity(config(**changes))
    assert (own.job_type, own.tags) == (job_type, tuple(tags.split()))
