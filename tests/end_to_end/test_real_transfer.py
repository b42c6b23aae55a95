"""The study of real datasets, on small ones in their official layouts."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra
from layouts import write_folder, write_freihand, write_youtube
from layouts_dexycb import write_dexycb

from handpose.config import check_command_line, register
from handpose.study.child_processes import launcher
from handpose.study.cost import estimate_cost
from handpose.study.jobs import OUTPUT, single_run
from handpose.study.planned_runs import load_study
from handpose.study.run_grid import Cell, RunGrid
from handpose.study.status import Status
from handpose.study.study_file import parse_study

DEFINITIONS = Path(__file__).resolve().parents[2] / "handpose" / "study" / "definitions"
SIZES = [f"{stage}dataset.image_size=32" for stage in ("", "pretrain.", "evaluate.")]

register()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_freihand(folder / "freihand")
    write_dexycb(folder / "dexycb", subjects=(0, 6, 7))
    write_youtube(folder / "youtube")
    write_folder(folder / "frames")
    return folder


def status_of(data: Path, folder: Path, *extra: str) -> Status:
    study = parse_study(load_study("real_transfer", DEFINITIONS))
    paths = [f"paths.{key}={folder / key}" for key in ("runs", "cache")]
    lines = [f"paths.data={data}", *paths, *extra]
    return Status(RunGrid(study, lines), folder / "runs" / "studies" / study.name)


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["youtube", "folder"])
def test_every_command_passes_the_checks(
    data: Path, tmp_path: Path, pool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = ["dataset@pretrain.dataset=folder", f"pretrain.dataset.root={data / 'frames'}"]
    own = frames if pool == "folder" else []
    monkeypatch.chdir(tmp_path)
    GlobalHydra.instance().clear()
    commands = status_of(data, tmp_path, *own, *SIZES).grid.samples()
    assert len(commands) == 6 + 4 * 3  # pre-trainings; candidates in each condition
    for command in commands if pool == "youtube" else commands[:6]:
        check_command_line(command)
    with pytest.raises(SystemExit):
        check_command_line([*commands[-1], "finetune.max_epoch=3"])


def test_the_plan_has_seeds_heads_and_fractions_and_a_cost(data: Path, tmp_path: Path) -> None:
    status = status_of(data, tmp_path)
    final = status.grid.cells("runs")
    across = [cell for cell in final if cell.condition == "across"]
    assert len(across) == 7 * 2 * 4 * 5
    assert len(final) == len(across) + 2 * 7 * 2 * 5 + 7 * 5
    cost = estimate_cost(status)
    assert cost.stages["pretrain"].runs == 6 * 6  # a seed of tuning more
    # Whole batches of both views; hybrid has two pairs of half the images.
    assert cost.stages["pretrain"].images == 36 * 100 * (50000 // 256 * 256) * 2
    assert cost.stages["runs"].images == len(final) * 30 * 64000
    assert cost.longest == 100 * (50000 // 256 * 256) * 2 + 2 * 30 * 64000


@pytest.mark.slow
def test_a_run_of_each_kind_trains(data: Path, tmp_path: Path) -> None:
    """A pre-training, then a fine-tuning of each condition with its weights."""
    status = status_of(data, tmp_path, "trainer=debug", "backbone=resnet18_half", *SIZES)
    start = Cell("pretrain", "relative", 5)
    final = [
        Cell("runs", "relative", 5, "heatmap", 1.0, "low", condition)
        for condition in ("across", "within", "reverse", "frozen")
    ]
    with ExitStack() as stack:
        launch = stack.enter_context(launcher(2))
        for cell in (start, *final):
            folder = status.folder / cell.folder
            folder.mkdir(parents=True)
            run = launch(single_run(status, cell), folder / OUTPUT)
            assert run.wait(300) == 0, (folder / OUTPUT).read_text()[-3000:]
    results = {
        cell.condition: json.loads((status.folder / cell.folder / "results.json").read_text())
        for cell in (start, *final)
    }
    assert results[None]["pretext_rotation_error_deg"] > 0
    assert all(results[cell.condition]["pa_epe_mm"] > 0 for cell in final)
    evaluated = {c.condition: results[c.condition].get("dataset") for c in final}
    in_lab, elsewhere = {"within": "dexycb", "reverse": "dexycb"}, ("across", "frozen")
    assert evaluated == in_lab | dict.fromkeys(elsewhere, "freihand")
