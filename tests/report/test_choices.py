"""What was run, in words."""

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
