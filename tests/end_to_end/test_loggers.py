"""Runs with W&B offline and TensorBoard, read back; they train what a run without them trains."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from wandb_file import WandbFile, finished_runs

from handpose.loggers.csv_log import read_curves, read_steps
from handpose.loggers.overlays import PREDICTION, TRUTH
from handpose.training.meters import TIMED

SETTINGS = ("head=regression", "trainer.caps.max_epochs=2", "trainer.log_every_n_steps=1")
BOTH = ("logger=[wandb_offline,tensorboard]", "logger.wandb.images_every_n_epochs=1")


def state(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["state_dict"]


def untimed(curves: dict) -> dict:
    return {name: points for name, points in curves.items() if not name.endswith(TIMED)}


@pytest.mark.slow
def test_trackers_have_the_whole_run(train: Callable[..., Path]) -> None:
    run_dir = train(*SETTINGS, *BOTH, "logger.wandb.log_model=true", "report=true")
    assert list((run_dir / "tensorboard").glob("events.*"))
    (file,) = finished_runs(run_dir)
    assert file.run.display_name == "relative-regression-resnet18-s5"
    assert (file.run.run_group, file.run.job_type, file.exit_code) == ("", "train", 0)
    assert file.config["choices"]["objective"] == "relative"
    provenance = file.config["provenance"]
    assert provenance["versions"]["torch"] == torch.__version__
    assert file.run.git.commit == (provenance["commit"] or "")
    _has_curves(file, run_dir)
    _has_results(file, json.loads((run_dir / "results.json").read_text()))
    _has_images(file)
    kinds = [a.name.partition("-")[0] for a in file.artifacts if a.type != "run_table"]
    assert kinds == ["backbone", "model", "report"]


@pytest.mark.slow
def test_trackers_change_nothing(train: Callable[..., Path]) -> None:
    settings = (*SETTINGS, "head=heatmap", "objective=hybrid")
    plain, run_dir = train(*settings, name="plain"), train(*settings, *BOTH)
    assert {path.name for path in plain.iterdir()} & {"wandb", "tensorboard", "wandb_id"} == set()
    for name in ("backbone.pt", "model.pt"):
        before, after = state(plain / name), state(run_dir / name)
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before)
    for read in (read_curves, read_steps):
        before, after = untimed(read(plain / "metrics.csv")), untimed(read(run_dir / "metrics.csv"))
        assert before == after


def _has_curves(file: WandbFile, run_dir: Path) -> None:
    for name, points in read_curves(run_dir / "metrics.csv").items():
        assert file.curve(name, "epoch") == points, name
    for name, points in read_steps(run_dir / "metrics.csv").items():
        assert file.curve(name, "step") == points, name
    for stage in ("pretrain", "finetune"):
        names = ("learning_rate", "gradient_norm", "images_per_second", "memory_mib")
        assert all(len(file.curve(f"{stage}/step_{name}", "step")) >= 2 for name in names)
    assert file.metrics["pretrain/val_rank"].summary.max
    assert file.metrics["finetune/val_pa_epe_mm"].summary.min


def _has_results(file: WandbFile, results: dict) -> None:
    own = {name: value for name, value in file.summary.items() if name in results}
    assert own["pa_epe_mm"] == results["pa_epe_mm"]
    assert own["pretrain_images_per_second"] == results["pretrain_images_per_second"]
    assert all(type(value) in (int, float) for value in own.values())
    assert [name for name in file.summary if name.endswith("_reason")] == []
    assert not any(value is None for value in file.summary.values())


def _has_images(file: WandbFile) -> None:
    views = [row for row in file.history if "pretrain/views._type" in row]
    assert [row["epoch"] for row in views] == [0, 1]
    assert views[0]["pretrain/views.filenames"] != views[1]["pretrain/views.filenames"]
    rows = [row for row in file.history if "finetune/predictions._type" in row]
    assert [row["epoch"] for row in rows] == [0, 1]
    assert rows[0]["finetune/predictions.all_masks"][0].keys() == {PREDICTION, TRUTH}
    (table,) = [row for row in file.history if "evaluate/worst_samples._type" in row]
    assert (table["evaluate/worst_samples.ncols"], table["evaluate/worst_samples.nrows"]) == (5, 16)
    assert [name for row in file.history for name in row if name == "report/pck._type"]


@pytest.mark.slow
def test_a_cell_of_a_sweep_in_two_processes_is_one_run_of_its_group(
    sweep: Callable[..., tuple[int, Path]],
) -> None:
    settings = ("objective=none", "head=regression", "trainer.devices=2", "finetune.batch_size=4")
    code, folder = sweep("logger=wandb_offline", *settings, "seed=7")
    assert code == 0
    (cell,) = [path for path in folder.iterdir() if path.is_dir()]
    (file,) = finished_runs(cell)
    assert (file.run.run_group, file.run.job_type) == ("sweep", "finetune")
    assert file.run.display_name == "none-regression-resnet18-s7"
