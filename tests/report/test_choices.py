"""What was run, in words."""

from handpose.report.choices import key_choices


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
