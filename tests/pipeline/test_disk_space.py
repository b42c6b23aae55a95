"""Too little room on the disk is said before any work: the path, what is needed, what is free."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from handpose.config.catalogue import CONF
from handpose.config.schema import register
from handpose.pipeline import parts
from handpose.pipeline.disk_space import check_space, count_parameters

Usage = namedtuple("Usage", "total used free")


def composed(*overrides: str) -> DictConfig:
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=["dataset.image_size=32", *overrides])


@pytest.mark.parametrize("head", ["heatmap", "regression"])
def test_parameters_are_counted_without_the_model(head: str) -> None:
    cfg = composed(f"head={head}")
    model = parts.build_model(cfg, parts.build_backbone(cfg))
    assert count_parameters(cfg) == sum(p.numel() for p in model.parameters())


def test_no_weights_are_read_to_count() -> None:
    assert count_parameters(composed("backbone.weights=/nowhere.pt")) == count_parameters(
        composed("backbone.weights=null")
    )


def test_the_message_has_path_needed_and_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = composed("trainer.keep_checkpoints=true")
    needed = (5 * 3 + 2) * 4 * count_parameters(cfg)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, needed - 1))
    with pytest.raises(ValueError, match=f"{tmp_path}: .* {needed - 1:,} bytes free.*{needed:,}"):
        check_space(cfg, tmp_path)
    check_space(composed("trainer.keep_checkpoints=false"), tmp_path)
    (tmp_path / "last.ckpt").write_bytes(b"x")  # what is there needs no more room
    check_space(cfg, tmp_path)
