"""What was run, in words."""

import pytest

from handpose.report.choices import key_choices


def test_a_dataset_that_no_stage_has_is_not_named() -> None:
    hands, others = ({"_target_": f"handpose.data.{name}.X"} for name in ("synthetic", "freihand"))

    def dataset(pretrain: dict, finetune: dict, *, objective: str = "relative") -> str | None:
        stages = {"pretrain": {"dataset": pretrain}, "finetune": {"dataset": finetune}}
        parts = {"objective": {"name": objective}, "head": {"name": "heatmap"}, "dataset": hands}
        return key_choices(parts | stages).get("Dataset")

    assert "synthetic" in str(dataset(hands, hands))
    assert "synthetic" in str(dataset(others, hands))
    assert "synthetic" in str(dataset(hands, others))
    assert dataset(others, others) is None
    assert dataset(hands, others, objective="none") is None


@pytest.mark.parametrize(
    ("caps", "said"),
    [
        (None, "2 epochs, batches of 16"),
        ({"max_epochs": None, "batches": None, "batch_size": None}, "2 epochs, batches of 16"),
        ({"max_epochs": 9, "batch_size": 99}, "2 epochs, batches of 16"),
        (
            {"max_epochs": 1, "batches": 2, "batch_size": 8},
            "1 epoch of up to 2 batches, batches of 8",
        ),
    ],
)
def test_the_lengths_of_a_stage_are_those_under_the_caps(caps: dict | None, said: str) -> None:
    stages = {key: {"max_epochs": 2, "batch_size": 16} for key in ("pretrain", "finetune")}
    choices = key_choices({"objective": "o", "head": "h", "trainer": {"caps": caps}, **stages})
    assert choices["Pre-training"] == choices["Fine-tuning"] == said


def test_what_decides_on_the_weights_of_a_stage_is_said() -> None:
    stage = {
        "optimizer": {"_target_": "handpose.training.timm_optimizer.TimmOptimizer", "opt": "lion"},
        "early_stopping": {"patience": 10},
        "average_decay": 0.999,
    }
    expected = "lion, averaged weights (decay 0.999), stops after 10 epochs without improvement"
    assert key_choices({"head": "h", "finetune": stage})["Fine-tuning"] == expected


@pytest.mark.parametrize(
    ("init_from", "weights", "said"),
    [
        (None, None, "resnet18, from random weights"),
        (None, "imagenet", "resnet18, from imagenet weights"),
        ("runs/first", None, "resnet18, from runs/first weights"),
    ],
)
def test_the_weights_that_a_run_starts_from(
    init_from: str | None, weights: str | None, said: str
) -> None:
    backbone = {"name": "resnet18", "weights": weights}
    assert key_choices({"init_from": init_from, "backbone": backbone})["Backbone"] == said


def test_each_part_of_an_objective_says_how_its_views_are_augmented() -> None:
    nothing = {"rotate": False, "colour_jitter": False}
    parts = {
        "contrastive": {"augment": nothing | {"colour_jitter": True}},
        "relative": {"augment": nothing | {"rotate": True}},
    }
    stages = {"pretrain": {"augment": nothing}, "finetune": {"augment": nothing}}
    choices = key_choices({"objective": {"name": "hybrid", "parts": parts}, "head": "h", **stages})
    expected = "contrastive augmented by colour jitter, relative augmented by rotate"
    assert choices["Pre-training"] == expected
    assert choices["Fine-tuning"] == "augmented by nothing"


def test_the_domains_of_rendered_hands_and_the_strength_of_augmentations_are_said() -> None:
    hands = {"_target_": "handpose.data.sources.synthetic.Synthetic", "image_size": 64}
    stage = {"dataset": hands | {"domain": "lab"}, "augment": {"rotate": True, "strength": 1.5}}
    evaluate = {"dataset": hands | {"domain": "wild"}, "split": "val"}
    choices = key_choices({"head": "h", "dataset": hands, "finetune": stage, "evaluate": evaluate})
    assert choices["Fine-tuning"] == (
        "synthetic (lab), 64 px crops, augmented by rotate at strength 1.5"
    )
    assert choices["Evaluation"] == "val split of synthetic (wild), 64 px crops"
    stage["dataset"]["domain"], stage["augment"]["strength"] = "simple", 1.0
    choices = key_choices({"head": "h", "dataset": hands, "finetune": stage})
    assert choices["Fine-tuning"] == "synthetic, 64 px crops, augmented by rotate"
