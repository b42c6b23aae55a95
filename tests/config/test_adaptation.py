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


def test_its_images_are_looked_for_before_the_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lines = ["dataset@pretrain.dataset=folder", f"pretrain.dataset.root={tmp_path / 'none'}"]
    check_command_line(["objective=none", *lines])
    assert "pretrain.dataset.root" in _refusal(capsys, *lines, "finetune.adapt_norm=20")
