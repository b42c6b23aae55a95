"""Raw results in one file: the page is the same without the runs, and wrong files are refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from handpose.study.command import main
from handpose.study.comparisons import Findings, collect
from handpose.study.multiruns import unfinished
from handpose.study.planned_runs import planned_configs
from handpose.study.run_grid import Batch, Cell, RunGrid
from handpose.study.status import Status
from handpose.study.stored_results import RESULTS_FILE, StoredStatus, load, store
from handpose.study.study_file import Study, parse_study

SESSION = {
    "commit": "0123456789abcdef",
    "dirty": False,
    "versions": {"handpose": "1.0", "python": "3.12", "torch": "2.14"},
    "device": {"type": "cpu", "name": "a processor", "count": 2, "processes": 1},
    "host": "secret-host",
    "command": "python train.py",
}
STAGES = ("pretrain", "finetune")
Report = Callable[..., Path]


@pytest.fixture
def folder(content: dict[str, Any], full: Status, tmp_path: Path) -> Path:
    """The folder of a study whose runs are finished but for one, with its file beside it."""
    cells = [cell for stage in ("pretrain", "tune", "runs") for cell in full.cells(stage)]
    place = tmp_path / "runs" / "studies" / "small"
    for cell in cells:
        shutil.copytree(tmp_path / cell.folder, place / cell.folder, dirs_exist_ok=True)
        path = place / cell.folder / "results.json"
        images = {"pretrain_images": 4000, "finetune_images": 500, "val_pa_epe_mm": 11.0}
        images |= {"epe2d_px": None, "epe2d_px_reason": "no labels"}  # not of the study: left out
        more = images | {"pretext_rank": 9.0, "pretext_untrained_rank": 2.0, "n_test": 40}
        path.write_text(json.dumps(json.loads(path.read_text()) | more))
    gone = Cell("runs", "none", 15, "regression", 1.0)
    (place / gone.folder / "results.json").unlink()
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(content))
    return place


@pytest.fixture
def report(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Report:
    """report(*arguments, out="page"): runs the command; returns the folder of its page."""

    def run(*arguments: str, out: str = "page") -> Path:
        target = tmp_path / out
        line = [str(tmp_path / "small.yaml"), f"paths.runs={tmp_path / 'runs'}", *arguments]
        with pytest.raises(SystemExit) as ended:
            main([*line, "--out", str(target)])
        if ended.value.code != 0:
            raise ValueError(ended.value.code)
        return target

    return run


@pytest.fixture
def kept(content: dict[str, Any], full: Status, folder: Path, tmp_path: Path) -> Path:
    """The raw results of the study."""
    status, path = Status(full.grid, folder), tmp_path / "kept.json"
    store(path, status, unfinished(status, {}), plan=content, day="2026-01-31")
    return path


def read(study: Study, *paths: Path) -> Findings:
    """The findings from stored results."""
    stored = load(paths, name=study.name)
    status = StoredStatus(RunGrid(study), Path("nowhere"), records=stored.records)
    status.find_changed()
    return collect(status, unfinished(status, stored.reasons), day=stored.day)


def test_the_page_is_the_same_without_the_runs(
    report: Report, folder: Path, full: Status, tmp_path: Path
) -> None:
    cell = full.cells("runs")[0]
    paths = {"data": "data", "cache": "cache", "runs": "runs"}
    config = planned_configs({cell: (full.grid.overrides(Batch.of(cell)), paths)})[cell]
    config |= {"provenance": {"sessions": [SESSION]}}
    results = json.loads((folder / cell.folder / "results.json").read_text())
    results |= {"pa_epe_mm": None, "pa_epe_mm_reason": "no sample has labels"}
    (folder / cell.folder / "results.json").write_text(json.dumps(results))
    (folder / cell.folder / "config.json").write_text(json.dumps(config))
    first = report("--report", "trainer.num_workers=0")
    path = Path(shutil.copy(first / RESULTS_FILE, tmp_path / "kept.json"))
    assert "no sample has labels" in path.read_text()
    shutil.rmtree(tmp_path / "runs")
    again = report("--from", str(path), out="again")
    names = {path.name for path in first.iterdir()}
    assert {path.name for path in again.iterdir()} == names
    assert len(names) == 4 + 4  # figures and texts
    for name in names:
        assert (first / name).read_bytes() == (again / name).read_bytes(), name
    page = (again / "study.html").read_text()
    assert "trainer.num_workers=0" in page
    assert "012345678" in page
    assert "secret-host" not in path.read_text() + page
    assert str(tmp_path) not in path.read_text() + page


def test_a_file_holds_what_a_page_needs_and_no_more(kept: Path) -> None:
    found = json.loads(kept.read_text())
    assert len(found["runs"]) == 4 + 8 + 11
    run = next(run for run in found["runs"] if run["stage"] == "runs" and run["arm"] == "none")
    assert set(run["results"]) == {
        *("pa_epe_mm", "mean_pose_pa_epe_mm", "val_pa_epe_mm", "n_test", "pretext_rank"),
        *(f"{stage}_{name}" for stage in STAGES for name in ("seconds", "images")),
    }
    assert found["settings"][run["settings"]] == [
        *("dataset.num_train=40", "finetune.max_epochs=4", "objective=none")
    ]
    assert found["unfinished"] == [["runs/none/regression/labels-1.0/seed-15", "not run yet"]]
    assert len(kept.read_text().splitlines()) < 23 + 30  # a run per line


def test_what_the_study_says_otherwise_now_does_not_count(
    kept: Path, content: dict[str, Any]
) -> None:
    content["tune"]["candidates"]["short"].append("finetune.batch_size=4")
    found = read(parse_study(content), kept)
    assert found.counts == {"pretrain": (4, 4), "tune": (4, 8), "runs": (0, 12)}
    reasons = dict(found.unfinished)
    assert reasons["tune/none/short/regression/labels-0.05"] == (
        "run with other settings: other settings: finetune.batch_size=4"
    )
    assert "no pa_epe_mm of short" in reasons["runs/none/regression/labels-0.05/seed-5"]


def test_what_started_from_another_pre_training_does_not_count(
    kept: Path, content: dict[str, Any]
) -> None:
    """The settings of fine-tuning alone do not say how the backbone was trained."""
    content["pretrain"]["common"] = ["pretrain.max_epochs=6"]
    found = read(parse_study(content), kept)
    assert found.counts == {"pretrain": (0, 4), "tune": (4, 8), "runs": (5, 12)}
    assert {arm for _, arm, _ in found.values} == {"none"}
    reason = dict(found.unfinished)["tune/contrastive/long/regression/labels-1.0"]
    assert "its pretrain/contrastive/seed-1005 is missing or has other settings" in reason


def test_runs_of_other_command_lines_are_not_merged(
    study: Study, kept: Path, tmp_path: Path
) -> None:
    """They have the same folders and the same settings in the study's file."""
    content = json.loads(kept.read_text())
    overrides = (["trainer.num_workers=0", "paths.data=a"], ["finetune.batch_size=4"])
    halves = [tmp_path / "one.json", tmp_path / "two.json"]
    for half, runs, own in zip(
        halves, (content["runs"][:15], content["runs"][15:]), overrides, strict=True
    ):
        half.write_text(json.dumps(content | {"runs": runs, "overrides": own}))
    found = read(study, *halves)
    assert len(found.values) == 15 - 12
    reason = dict(found.unfinished)["runs/contrastive/regression/labels-1.0/seed-25"]
    assert reason == "run with other settings: other settings: finetune.batch_size=4"


def test_files_of_several_machines_are_merged(study: Study, kept: Path, tmp_path: Path) -> None:
    content = json.loads(kept.read_text())
    halves = [tmp_path / "one.json", tmp_path / "two.json"]
    for half, runs in zip(halves, (content["runs"][:15], content["runs"][10:]), strict=True):
        half.write_text(json.dumps(content | {"runs": runs}))
    assert read(study, *halves) == read(study, kept) != read(study, halves[0])
    content["runs"][0]["results"]["pretext_rank"] += 1  # pre-trained again on the second machine
    halves[1].write_text(json.dumps(content))
    assert read(study, *halves).values == read(study, kept).values
    content["runs"][11]["results"]["pa_epe_mm"] += 1
    halves[1].write_text(json.dumps(content))
    with pytest.raises(
        ValueError, match=r"two\.json: has other results of tune/.* than a file bef"
    ):
        read(study, *halves)


def test_a_pre_training_made_again_keeps_both_machines(kept: Path, tmp_path: Path) -> None:
    content, again = json.loads(kept.read_text()), tmp_path / "again.json"
    content["environments"] = [SESSION | {"dirty": True}]
    for run in content["runs"]:
        run["environments"] = [0]
    again.write_text(json.dumps(content))
    record = load([kept, again], name="small").records["pretrain/contrastive/seed-5"]
    assert record["environments"][-1]["dirty"]
    content["settings"][content["runs"][0]["settings"]].append("pretrain.batch_size=4")
    again.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"again\.json: has other settings of pretrain/"):
        load([kept, again], name="small")


def test_results_are_not_merged_into_a_file_with_fewer_runs(
    report: Report, kept: Path, content: dict[str, Any], tmp_path: Path
) -> None:
    assert (report("--from", str(kept)) / RESULTS_FILE).is_file()
    content["seeds"] = content["seeds"][:-1]
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(content))
    assert not (report("--from", str(kept), out="fewer") / RESULTS_FILE).exists()


def test_a_reason_that_follows_from_other_runs_is_found_anew(
    study: Study, kept: Path, tmp_path: Path
) -> None:
    content = json.loads(kept.read_text())
    gone = content["unfinished"][0][0]
    content["unfinished"] = [[gone, "waits for pretrain/none"]]
    kept.write_text(json.dumps(content))
    assert dict(read(study, kept).unfinished) == {gone: "not run yet"}
    content["unfinished"] = [[gone, "failed, exit code 1"]]
    kept.write_text(json.dumps(content))
    assert dict(read(study, kept).unfinished) == {gone: "failed, exit code 1"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"bad\.json: cannot be read"),
        ("{", r"bad\.json: cannot be read"),
        ("{}", r"bad\.json: not the results of a study, which `--report` writes"),
        ({"name": "large"}, "the results of large, not of small"),
        ({"runs": [{}]}, "a run is corrupt"),
        ({"settings": []}, "a run is corrupt"),
    ],
)
def test_a_wrong_file_is_refused(kept: Path, tmp_path: Path, text: Any, message: str) -> None:
    bad = tmp_path / "bad.json"
    if isinstance(text, dict):
        text = json.dumps(json.loads(kept.read_text()) | text)
    if text is not None:
        bad.write_text(text)
    with pytest.raises(ValueError, match=message):
        load([bad], name="small")


def test_a_folder_for_the_page_needs_a_report(
    report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match="2"):
        report("--plan")
    assert "--out needs --report or --from FILE" in capsys.readouterr().err
