"""The status of a study: what counts as finished, and how results are read."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handpose.study.multiruns import changed_lines, unfinished
from handpose.study.planned_runs import planned_configs, runs_folder
from handpose.study.run_grid import Batch, Cell, RunGrid
from handpose.study.status import Status, number, read_json
from handpose.study.study_file import Study, check_metrics, parse_study

RESULTS = {"pa_epe_mm": 12, "epe2d_px": None, "epe2d_px_reason": "no labels", "split": "val"}
PATHS = {"data": "/a/data", "cache": "/a/cache", "runs": "/a/runs"}


def config(study: Study, cell: Cell) -> dict[str, Any]:
    """What train.py would have kept, had it run the cell with other paths."""
    return planned_configs({cell: (RunGrid(study).overrides(Batch.of(cell)), PATHS)})[cell]


@pytest.fixture
def saved(study: Study, full: Status, tmp_path: Path) -> Status:
    """Some finished cells with their configurations."""
    for cell in (full.cells("pretrain")[0], full.cells("tune")[0], full.cells("runs")[-1]):
        path = tmp_path / cell.folder / "config.json"
        path.write_text(json.dumps(config(study, cell)))
    return full


def test_a_configuration_is_the_one_of_the_run(study: Study) -> None:
    cell = Cell("runs", "contrastive", 15, "regression", 0.05, "long")
    found = config(study, cell)
    assert found["finetune"]["max_epochs"] == 16
    assert found["finetune"]["optimizer"]["lr"] == 1e-4
    assert found["backbone"]["weights"] == (
        "/a/runs/studies/small/pretrain/contrastive/seed-15/backbone.pt"
    )
    assert found["dataset"]["root"] == "/a/cache/synthetic"
    assert "hydra" not in found
    assert found["objective"] == {"_target_": None}


def test_todays_plan_differs_from_itself_in_nothing_wherever_it_lies(saved: Status) -> None:
    saved.find_changed()
    assert saved.changed == {}
    assert unfinished(saved, {}) == []


def test_another_plan_is_found_and_does_not_count(
    saved: Status, content: dict[str, Any], tmp_path: Path
) -> None:
    content["finetune"]["common"] = ["finetune.batch_size=4"]
    content["pretrain"]["common"] = ["pretrain.max_epochs=6"]
    other = Status(RunGrid(parse_study(content)), tmp_path)
    other.find_changed()
    assert changed_lines(other) == [
        "pretrain/contrastive/seed-5: pretrain.max_epochs: 3 -> 6",
        "tune/none/short/regression/labels-0.05: finetune.batch_size: 16 -> 4",
        "runs/contrastive/regression/labels-1.0/seed-25: finetune.batch_size: 16 -> 4",
    ]
    why = {failure.folder: failure.reason for failure in unfinished(other, {})}
    assert why["pretrain/contrastive/seed-5"] == (
        "run with other settings: pretrain.max_epochs: 3 -> 6"
    )
    assert not other.is_finished(next(iter(other.changed)))
    assert "no pa_epe_mm of short" in why["runs/none/regression/labels-0.05/seed-5"]


def test_a_changed_condition_changes_its_own_runs_alone(
    used: Study, finish: Callable[..., None], tmp_path: Path
) -> None:
    status = Status(RunGrid(used), tmp_path)
    cells = [cell for cell in status.cells("runs") if (cell.arm, cell.seed) == ("none", 5)]
    for cell in cells:
        finish(cell)
        (tmp_path / cell.folder / "config.json").write_text(json.dumps(config(used, cell)))
    status.find_changed()
    assert status.changed == {}
    across = used.conditions["across"].model_copy(update={"finetune": ("finetune.batch_size=8",)})
    other = used.model_copy(update={"conditions": used.conditions | {"across": across}})
    status = Status(RunGrid(other), tmp_path)
    status.find_changed()
    assert {cell.condition for cell in status.changed} == {"across"}
    assert len(status.changed) == 4
    assert all(how == ["finetune.batch_size: 4 -> 8"] for how in status.changed.values())


def test_a_cell_waits_for_its_backbone_and_the_candidates_of_its_condition(
    content: dict[str, Any], finish: Callable[..., None], tmp_path: Path
) -> None:
    content["conditions"] = {"across": {}, "within": {}}
    status = Status(RunGrid(parse_study(content)), tmp_path)
    across, within = (
        Cell("runs", "contrastive", 5, "regression", 0.05, condition=use)
        for use in ("across", "within")
    )
    assert status.waits_for(across) == "pretrain/contrastive/seed-5"
    finish(*status.cells("pretrain"))
    finish(*(cell for cell in status.cells("tune") if cell.condition == "across"))
    assert status.waits_for(across._replace(candidate=status.chosen(across))) == ""
    assert status.waits_for(within) == (
        "the candidate for within, contrastive, regression, labels 0.05: "
        "no pa_epe_mm of short, long"
    )


@pytest.mark.parametrize("is_missing", [True, False])
def test_what_started_from_another_backbone_does_not_count(
    full: Status, content: dict[str, Any], tmp_path: Path, is_missing: bool
) -> None:
    """Its own configuration is the same: only the pre-training's has changed, or is gone."""
    start = full.cells("pretrain")[0]
    run = next(c for c in full.cells("runs") if (c.arm, c.seed) == ("contrastive", 5))
    for cell in (start, run):
        (tmp_path / cell.folder / "config.json").write_text(json.dumps(config(full.study, cell)))
    if is_missing:
        (tmp_path / start.folder / "results.json").unlink()
    else:
        content["pretrain"]["common"] = ["pretrain.max_epochs=6"]
    other = Status(RunGrid(parse_study(content)), tmp_path)
    other.find_changed()
    expected = ["its pretrain/contrastive/seed-5 is missing or has other settings"]
    assert other.changed[run] == expected
    assert len(other.changed) == (1 if is_missing else 2)


def test_a_further_seed_or_fraction_changes_nothing(
    saved: Status, content: dict[str, Any], tmp_path: Path
) -> None:
    content["seeds"] += [35]
    content["fractions"] += [0.5]
    more = Status(RunGrid(parse_study(content)), tmp_path)
    more.find_changed()
    assert more.changed == {}


def test_keys_that_conf_has_got_since_count_only_where_they_are_set(
    study: Study, full: Status, tmp_path: Path
) -> None:
    cell = full.cells("pretrain")[0]
    old = config(study, cell)
    del old["pretrain"]["max_epochs"], old["evaluate"]["batch_size"]
    old["gone"] = 3
    (tmp_path / cell.folder / "config.json").write_text(json.dumps(old))
    full.find_changed()
    # The study sets it; what conf/ has no more is told beside it.
    assert full.changed[cell] == ["gone: 3 -> absent", "pretrain.max_epochs: 2 -> 3"]


def test_a_run_older_than_its_backbone_does_not_count(full: Status, tmp_path: Path) -> None:
    for cell in full.cells("runs"):
        (tmp_path / cell.folder / "config.json").write_text(json.dumps(config(full.study, cell)))
    full.find_changed()
    assert full.changed == {}
    again = tmp_path / "pretrain/contrastive/seed-15/results.json"
    newest = max(path.stat().st_mtime_ns for path in tmp_path.rglob("results.json"))
    os.utime(again, ns=(newest + 10**9, newest + 10**9))
    full.find_changed()
    assert {(c.arm, c.seed) for c in full.changed} == {("contrastive", 15)}
    assert len(full.changed) == 2
    assert "seed-15 was run again since" in changed_lines(full)[0]


def test_a_stopped_run_does_not_resume_with_the_backbone_of_an_older_pre_training(
    full: Status, tmp_path: Path
) -> None:
    """Its configuration names the same file, but the run has a copy of what was in it."""
    run = next(c for c in full.cells("runs") if (c.arm, c.seed) == ("contrastive", 5))
    start = tmp_path / "pretrain/contrastive/seed-5/results.json"
    (tmp_path / run.folder / "config.json").write_text(json.dumps(config(full.study, run)))
    (tmp_path / run.folder / "results.json").unlink()
    now = start.stat().st_mtime_ns
    for copied, doubts in ((None, 0), (now + 1, 0), (now - 1, 1)):
        if copied is not None:
            (tmp_path / run.folder / "backbone.pt").touch()
            os.utime(tmp_path / run.folder / "backbone.pt", ns=(copied, copied))
        full.find_changed()
        assert len(full.changed) == doubts
    assert "pretrain/contrastive/seed-5 was run again since" in changed_lines(full)[0]
    start.unlink()
    full.find_changed()
    assert "seed-5 is missing or has other settings" in full.changed[run][0]


@pytest.mark.parametrize("name", ["results.json", "config.json"])
@pytest.mark.parametrize("text", ["{", "[]", "\xff"])
def test_a_damaged_file_is_named(full: Status, tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / full.cells("tune")[0].folder / name
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=f"{name}: (cannot be read|expected a JSON object)"):
        full.find_changed()


def test_runs_lie_where_the_paths_say(finish: Callable[..., None]) -> None:
    assert runs_folder(["trainer=debug"]) == Path("runs")
    assert runs_folder(["paths.runs=/a/b"]) == Path("/a/b")
    with pytest.raises(ValueError, match=r"paths\.rusn: no such key; did you mean paths\.runs"):
        runs_folder(["paths.rusn=/a/b"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "results.json").write_text(json.dumps(RESULTS | {"odd": float("nan")}))
    return tmp_path / "results.json"


def test_a_number_or_the_reason_why_there_is_none(path: Path) -> None:
    assert number(read_json(path), "pa_epe_mm", source=path) == (12.0, "")
    assert number(read_json(path), "epe2d_px", source=path) == (None, "no labels")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pa_epe", r"results\.json has no pa_epe; did you mean pa_epe_mm\?"),
        ("split", "split is 'val', not a finite number"),
        ("odd", "odd is nan, not a finite number"),
    ],
)
def test_what_is_no_number_is_refused(path: Path, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        number(read_json(path), name, source=path)


def test_numbers_that_train_py_does_not_compute_are_refused_before_it_runs(
    content: dict[str, Any],
) -> None:
    check_metrics(parse_study(content))
    content["tune"]["metric"] = "val_pa_epe_mm"
    check_metrics(parse_study(content))
    content["tune"]["metric"] = "auc_pa_50mm"  # the best candidate would be the worst
    with pytest.raises(ValueError, match=r"tune\.metric: auc_pa_50mm: higher is better"):
        check_metrics(parse_study(content))
    content["tune"]["metric"] = "pa_mm"
    wrong = parse_study(content | {"metric": "pa_epe", "constant": "mean_pose_epe_mm"})
    with pytest.raises(ValueError, match="did you mean pa_epe_mm") as error:
        check_metrics(wrong)
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == [
        "metric",
        "constant",
        "tune.metric",
    ]
