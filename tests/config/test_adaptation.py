"""finetune.adapt_norm with other keys."""

from pathlib import Path

import pytest

from handpose.config import check_command_line


def _refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit):
        check_command_line(["objective=none", *arguments])
    return capsys.readouterr().err


def test_a_frozen_backbone_cannot_be_adapted(capsys: pytest.CaptureFixture[str]) -> None:
    printed = _refusal(capsys, "finetune.adapt_norm=20", "finetune.freeze_backbone=true")
    assert "finetune.adapt_norm=20: changes BatchNorm's statistics" in printed


def test_other_crops_and_tiny_batches_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["finetune.adapt_norm=20", "dataset@pretrain.dataset=synthetic"]
    printed = _refusal(capsys, *lines, "pretrain.dataset.image_size=32", "evaluate.batch_size=4")
    assert "set pretrain.dataset.image_size=64" in printed
    assert "set evaluate.batch_size to 8 or more" in printed
    check_command_line(["head=none", "finetune.adapt_norm=20", "evaluate.batch_size=4"])


def test_its_images_are_looked_for_before_the_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lines = ["dataset@pretrain.dataset=folder", f"pretrain.dataset.root={tmp_path / 'none'}"]
    check_command_line(["objective=none", *lines])
    assert "pretrain.dataset.root" in _refusal(capsys, *lines, "finetune.adapt_norm=20")
