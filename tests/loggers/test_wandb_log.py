"""A W&B run on disk: its file holds what the run was given, and nobody is asked for anything."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wandb_file import WandbFile, finished_runs

from handpose.distributed.interrupt import Interrupted
from handpose.loggers.base import LoggedImage, RunFile, Table
from handpose.loggers.naming import Identity
from handpose.loggers.overlays import CLASSES, PREDICTION, TRUTH
from handpose.loggers.wandb_log import WandbLog, opened_wandb

OWN = Identity("relative-heatmap-s5", "first", "train", ("relative", "heatmap"), {"seed": 5})
IMAGE = np.full((64, 64, 3), 128, np.uint8)
JOINTS = np.stack([np.linspace(5, 60, 21)] * 2, axis=1)
RESULTS = {
    "pa_epe_mm": 12.5,
    "pa_epe_mm_n_hands": 32,
    "epe2d_px": None,
    "epe2d_px_reason": "no sample has labels in 2D",
    "split": "test",
    "n_test": 32,
    "provenance": {"commit": "c0ffee"},
}


@contextmanager
def opened(run_dir: Path, **changes: Any) -> Iterator[WandbLog]:
    settings: dict[str, Any] = {
        "config": {"seed": 5},
        "commit": "c0ffee",
        "mode": "offline",
        "images_every_n_epochs": 2,
        "log_model": True,
        "project": "handpose",
        **dict.fromkeys(("entity", "name", "group", "job_type")),
        "tags": ["mine"],
    }
    with opened_wandb(run_dir, OWN, **settings | changes) as logger:
        yield logger


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[WandbFile, Path]:
    """A run that was given one thing of each kind."""
    run_dir = tmp_path_factory.mktemp("run")
    (run_dir / "model.pt").write_bytes(b"weights")
    image = LoggedImage(IMAGE, "no. 3", {PREDICTION: JOINTS, TRUTH: JOINTS + 1})
    with opened(run_dir) as logger:
        logger.log_metrics({"epoch": 0, "pretrain/step_images_per_second": 90.0}, step=0)
        logger.log_metrics({"epoch": 0, "pretrain/step_images_per_second": 70.0}, step=1)
        for epoch, loss in enumerate((3.0, 1.0, 2.0)):
            logger.log_metrics({"epoch": epoch, "pretrain/val_loss": loss}, step=9 + epoch)
        logger.log_images("finetune/predictions", [image], epoch=1)
        logger.log_table("evaluate/worst_samples", Table(("image", "key"), ((image, "a#0"),)))
        logger.log_results(RESULTS, {})
        logger.log_files([RunFile(run_dir / "model.pt", "model", ("best",))], RESULTS)
    (file,) = finished_runs(run_dir)
    return file, run_dir


def test_the_run_is_listed_by_its_choices(run: tuple[WandbFile, Path]) -> None:
    record = run[0].run
    assert (record.display_name, record.run_group, record.job_type) == OWN[:3]
    assert list(record.tags) == ["relative", "heatmap", "mine"]
    assert record.git.commit == "c0ffee"
    assert record.run_id == (run[1] / "wandb_id").read_text()
    assert run[0].config["seed"] == 5
    assert run[0].exit_code == 0


def test_curves_have_their_axis_and_their_best_value(run: tuple[WandbFile, Path]) -> None:
    file = run[0]
    loss, speed = "pretrain/val_loss", "pretrain/step_images_per_second"
    assert file.curve(loss, "epoch") == [(0, 3.0), (1, 1.0), (2, 2.0)]
    assert file.curve(speed, "step") == [(0, 90.0), (1, 70.0)]
    assert [file.metrics[name].step_metric for name in (loss, speed)] == ["epoch", "step"]
    assert (file.summary[loss], file.summary[speed]) == ({"min": 1.0}, {"max": 90.0})


def test_the_summary_has_the_numbers_alone(run: tuple[WandbFile, Path]) -> None:
    own = {name: value for name, value in run[0].summary.items() if name in RESULTS}
    assert own == {"pa_epe_mm": 12.5, "n_test": 32}
    assert run[0].curve("pa_epe_mm", "pa_epe_mm") == [(12.5, 12.5)]  # as a bar beside other runs


def test_joints_lie_over_the_image_as_masks(run: tuple[WandbFile, Path]) -> None:
    file, run_dir = run
    (row,) = [row for row in file.history if "finetune/predictions._type" in row]
    assert (row["epoch"], row["finetune/predictions.captions"]) == (1, ["no. 3"])
    (masks,) = row["finetune/predictions.all_masks"]
    assert masks.keys() == {PREDICTION, TRUTH}
    (folder,) = run_dir.glob("wandb/offline-run-*")
    assert all((folder / "files" / mask["path"]).is_file() for mask in masks.values())
    told = json.dumps(file.config["_wandb"])
    assert all(f'"{name}"' in told for name in CLASSES.values())


def test_a_table_and_its_images_lie_in_the_run_directory(run: tuple[WandbFile, Path]) -> None:
    file, run_dir = run
    (row,) = [row for row in file.history if "evaluate/worst_samples._type" in row]
    assert row["evaluate/worst_samples.nrows"] == 1
    (path,) = run_dir.glob("wandb/offline-run-*/files/media/table/evaluate/*.json")
    table = json.loads(path.read_text())
    assert table["columns"] == ["image", "key"]
    assert table["data"][0][1] == "a#0"
    (artifact,) = [a for a in file.artifacts if a.type == "run_table"]
    places = [Path(entry.local_path) for entry in artifact.manifest.contents]
    assert len(places) >= 3  # the table, the image, its masks
    assert all(place.is_relative_to(run_dir) and place.is_file() for place in places)


def test_weights_are_an_artifact_with_aliases_and_no_copy(run: tuple[WandbFile, Path]) -> None:
    file, run_dir = run
    (artifact,) = [a for a in file.artifacts if a.type == "model"]
    assert artifact.name == f"model-{file.run.run_id}"
    assert set(artifact.aliases) == {"latest", "best", OWN.name}
    assert json.loads(artifact.metadata) == {"pa_epe_mm": 12.5}
    (entry,) = artifact.manifest.contents
    assert (entry.path, entry.local_path) == ("model.pt", str(run_dir / "model.pt"))


def test_settings_win_over_the_choices_and_files_stay_unless_asked_for(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"weights")
    named = {"name": "mine", "group": "ours", "job_type": "probe"}
    with opened(tmp_path, log_model=False, **named) as logger:
        logger.log_files([RunFile(tmp_path / "model.pt", "model")], RESULTS)
    (file,) = finished_runs(tmp_path)
    assert (file.run.display_name, file.run.run_group, file.run.job_type) == (*named.values(),)
    assert file.artifacts == []


def test_a_resumed_run_is_the_same_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_RUN_ID", "of-an-agent")
    with pytest.raises(Interrupted), opened(tmp_path):
        raise Interrupted(143, together=False)
    monkeypatch.delenv("WANDB_RUN_ID")
    with opened(tmp_path):
        pass
    first, second = finished_runs(tmp_path)
    assert first.run.run_id == second.run.run_id == "of-an-agent"
    assert (first.exit_code, second.exit_code) == (143, 0)


def test_a_run_that_failed_has_failed_there_too(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), opened(tmp_path):
        raise ZeroDivisionError
    assert [file.exit_code for file in finished_runs(tmp_path)] == [1]


def test_a_disabled_run_takes_no_note(tmp_path: Path) -> None:
    """Whatever the environment says, and without a login."""
    with opened(tmp_path, mode="disabled") as logger:
        logger.log_metrics({"loss": 1.0}, step=1)
        logger.log_results(RESULTS, {})
    assert not list(tmp_path.rglob("*.wandb"))


_OPEN = """
import sys
from pathlib import Path
from handpose.loggers.naming import Identity
from handpose.loggers.wandb_log import opened_wandb
own = Identity("name", None, "train", (), {})
settings = dict.fromkeys(("entity", "name", "group", "job_type", "commit"))
with opened_wandb(Path(sys.argv[1]), own, config={}, mode=sys.argv[2], project="p", tags=[],
                  images_every_n_epochs=None, log_model=False, **settings) as logger:
    logger.log_metrics({"epoch": 0, "pretrain/val_loss": 1.0}, step=1)
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace sees what all processes ask")
@pytest.mark.parametrize(
    ("mode", "variable"), [("offline", ""), ("online", "offline"), ("disabled", "")]
)
def test_nothing_reaches_for_the_network(mode: str, variable: str, tmp_path: Path) -> None:
    environment = {name: v for name, v in os.environ.items() if not name.startswith("WANDB_")}
    environment |= {"WANDB_MODE": variable} if variable else {}
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-e", "trace=connect,sendto", "-o", str(trace), sys.executable, "-c"]
    subprocess.run([*command, _OPEN, str(tmp_path), mode], check=True, env=environment, timeout=120)
    text = trace.read_text(errors="replace")
    assert "+++ exited with 0 +++" in text
    assert [line for line in text.splitlines() if "AF_INET" in line] == []
