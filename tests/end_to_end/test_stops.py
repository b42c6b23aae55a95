"""Flags of Lightning's Trainer in a run, stages that end early, and runs that are trained on."""

import csv
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from handpose.training.finetuner import Finetuner

Train = Callable[..., Path]
FLAGS = "trainer.lightning."
FINETUNE = ("objective=none", "head=regression", "trainer.keep_checkpoints=true")


def results(run_dir: Path) -> dict[str, Any]:
    return json.loads((run_dir / "results.json").read_text())


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    return torch.load(run_dir / "model.pt", weights_only=True)["state_dict"]


def same(one: Path, other: Path) -> bool:
    before, after = weights(one), weights(other)
    return all(torch.equal(value, after[name]) for name, value in before.items())


def rows(run_dir: Path, name: str) -> list[str]:
    with (run_dir / "metrics.csv").open(newline="") as file:
        return [row["value"] for row in csv.DictReader(file) if row["name"] == name]


def reopened(run_dir: Path) -> None:
    """As if the run was killed right after its training."""
    for name in ("model.pt", "results.json"):
        (run_dir / name).unlink()


def test_flags_reach_a_run_and_its_end_says_how_to_train_on(train: Train) -> None:
    clip = ("gradient_clip_val=1", "max_time=00:00:10:00", "profiler=simple", "detect_anomaly=true")
    flags = (*clip, "num_sanity_val_steps=1", "limit_train_batches=1", "limit_test_batches=1")
    flags += ("enable_model_summary=true", "enable_progress_bar=false", "inference_mode=false")
    small = ("objective=contrastive", "head=none", "optimizer=sgd", "optimizer.lr=1e-3")
    first = train(*small, *(f"{FLAGS}{flag}" for flag in flags), name="first")
    found = results(first)
    assert "pretrain_stopped" not in found
    assert found["pretrain_images_per_second"] > 0  # the meters work beside a profiler
    assert "run_training_batch" in (first / "profile" / "fit-pretrain.txt").read_text()
    assert len(rows(first, "pretrain/step_loss")) == 1
    log = (first / "train.log").read_text()
    (command,) = re.findall(r"^  (\S*python.*train\.py.*)$", log, re.M)
    arguments = shlex.split(command)[2:]
    assert arguments[-1] == f"backbone.weights={first / 'backbone.pt'}"
    further = train(*arguments, name="further")
    assert results(further)["pretrain_skipped_steps"] == 0


def test_a_stage_whose_time_is_used_up_ends_with_what_it_has(train: Train) -> None:
    long = ("finetune.max_epochs=1000", "trainer.caps.max_epochs=1000")
    run_dir = train(*FINETUNE, *long, f"{FLAGS}max_time=00:00:00:01")
    found = results(run_dir)
    step = re.match(r"after step (\d+) of 2000: its time is used up", found["finetune_stopped"])
    assert step is not None
    assert 1 <= int(step[1]) < 2000
    assert found["finetune_seconds"] >= 1
    assert found["val_pa_epe_mm"] is not None
    before, checks = weights(run_dir), len(rows(run_dir, "finetune/val_loss"))
    reopened(run_dir)
    train(*FINETUNE, *long, f"{FLAGS}max_time=00:00:00:01")
    assert results(run_dir)["finetune_stopped"] == found["finetune_stopped"]
    assert len(rows(run_dir, "finetune/val_loss")) == checks
    after = weights(run_dir)
    assert all(torch.equal(value, after[name]) for name, value in before.items())


@pytest.mark.slow
def test_early_stopping_stops_at_the_same_epoch_after_a_kill(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No epoch is better by a kilometre than the first, so patience ends with the third."""
    early = ("finetune.early_stopping.patience=2", "finetune.early_stopping.min_delta=1000000")
    settings = (*FINETUNE, *early, "finetune.max_epochs=6", "trainer.caps.max_epochs=6")
    whole = train(*settings, name="whole")
    said = "after epoch 3 of 6: no better val_pa_epe_mm for 2 epochs (finetune.early_stopping)"
    assert results(whole)["finetune_stopped"] == said
    assert len(rows(whole, "finetune/val_loss")) == 3
    start = Finetuner.on_train_epoch_start

    def cut(stage: Finetuner) -> None:
        if stage.current_epoch == 2:
            raise RuntimeError("power cut")

    monkeypatch.setattr(Finetuner, "on_train_epoch_start", cut)
    with pytest.raises(RuntimeError, match="power cut"):
        train(*settings, name="cut")
    monkeypatch.setattr(Finetuner, "on_train_epoch_start", start)
    resumed = train(*settings, name="cut")
    assert results(resumed)["finetune_stopped"] == said
    assert results(resumed)["finetune_images"] == results(whole)["finetune_images"] == 3 * 2 * 8
    assert same(whole, resumed)
    reopened(resumed)
    train(*settings, name="cut")
    assert len(rows(resumed, "finetune/val_loss")) == 3
    assert same(whole, resumed)


@pytest.mark.slow
def test_a_sweep_goes_over_optimizers(sweep: Callable[..., tuple[int, Path]]) -> None:
    code, folder = sweep(
        "optimizer=adamw,sgd,timm", "objective=none", "head=regression", "optimizer.lr=1e-4"
    )
    assert code == 0
    models = [path.parent for path in sorted(folder.rglob("results.json"))]
    assert len(models) == 3
    assert not same(models[0], models[1])
    assert not same(models[1], models[2])
