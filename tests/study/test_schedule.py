"""The order of single runs, and what they wait for."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from handpose.study.run_grid import Cell, RunGrid
from handpose.study.schedule import Schedule, in_order, needs
from handpose.study.status import Status
from handpose.study.study_file import Study, parse_study

Finish = Callable[..., None]


def folders(schedule: Schedule) -> list[str]:
    """Takes all runs that can start now."""
    found = []
    while (cell := schedule.next()) is not None:
        found.append(cell.folder)
    return found


def test_seed_by_seed_and_a_backbone_just_before_the_first_run_of_it(
    untuned: Study, tmp_path: Path
) -> None:
    status = Status(RunGrid(untuned), tmp_path)
    assert [cell.folder for cell in in_order(status)] == [
        name
        for seed in (5, 15, 25)
        for name in (
            f"runs/none/regression/labels-0.05/seed-{seed}",
            f"runs/none/regression/labels-1.0/seed-{seed}",
            f"pretrain/contrastive/seed-{seed}",
            f"runs/contrastive/regression/labels-0.05/seed-{seed}",
            f"runs/contrastive/regression/labels-1.0/seed-{seed}",
        )
    ]


def test_conditions_come_in_their_order_and_share_backbones(used: Study, tmp_path: Path) -> None:
    order = in_order(Status(RunGrid(used), tmp_path))
    final = [(c.condition, c.seed) for c in order if c.stage == "runs"]
    assert list(dict.fromkeys(final)) == [
        *(("across", 5), ("across", 15), ("across", 25)),
        *(("within", 5), ("within", 25)),
        ("frozen", 5),
    ]
    starts = [place for place, c in enumerate(order) if c.stage == "pretrain"]
    assert len(starts) == 3
    assert max(starts) < [c.condition for c in order].index("within")


def test_every_run_comes_once_and_after_all_it_needs(study: Study, tmp_path: Path) -> None:
    status = Status(RunGrid(study), tmp_path)
    order = in_order(status)
    every = [c for stage in ("pretrain", "tune", "runs") for c in status.grid.cells(stage)]
    assert sorted(c.folder for c in order) == sorted(c.folder for c in every)
    for place, cell in enumerate(order):
        assert set(needs(status, cell)) <= set(order[:place])


def test_a_final_run_needs_the_candidates_of_its_own_condition(
    used_content: dict[str, Any], content: dict[str, Any], tmp_path: Path
) -> None:
    study = parse_study(used_content | {"tune": content["tune"]})
    status = Status(RunGrid(study), tmp_path)
    final = Cell("runs", "none", 5, "heatmap", 0.05, condition="within")
    assert {cell.folder for cell in needs(status, final)} == {
        f"tune/within/none/{name}/heatmap/labels-0.05" for name in ("short", "long")
    }


def test_a_final_run_needs_its_backbone_and_each_candidate_at_the_nearest_fraction(
    content: dict[str, Any], tmp_path: Path
) -> None:
    content["tune"]["fractions"] = [0.05]
    status = Status(RunGrid(parse_study(content)), tmp_path)
    final = Cell("runs", "contrastive", 15, "regression", 1.0)
    assert {cell.folder for cell in needs(status, final)} == {
        "pretrain/contrastive/seed-15",
        "tune/contrastive/short/regression/labels-0.05",
        "tune/contrastive/long/regression/labels-0.05",
    }
    assert needs(status, final._replace(stage="pretrain")) == []
    assert {cell.stage for cell in needs(status, final._replace(arm="none"))} == {"tune"}


def test_a_run_starts_when_what_it_needs_is_there(
    study: Study, tmp_path: Path, finish: Finish
) -> None:
    status = Status(RunGrid(study), tmp_path)
    schedule = Schedule(status)
    first = folders(schedule)  # nothing ends in between
    assert {name.split("/")[0] for name in first} == {"pretrain", "tune"}
    assert sum(name.startswith("tune/none") for name in first) == 4
    assert not any(name.startswith("tune/contrastive") for name in first)
    finish(*[c for c in status.cells("tune") if c.arm == "none"])
    assert folders(schedule) == [
        f"runs/none/regression/labels-{part}/seed-{seed}"
        for seed in study.seeds
        for part in (0.05, 1.0)
    ]
    finish(*status.cells("pretrain"))
    assert {name.split("/")[0] for name in folders(schedule)} == {"tune"}
    finish(*status.cells("tune"))
    last = folders(schedule)
    assert len(last) == 6
    assert schedule.waiting == []


def test_a_finished_study_has_nothing_to_run(full: Status) -> None:
    assert Schedule(full).waiting == []


def test_runs_of_an_older_backbone_are_not_run_again(
    untuned: Study, tmp_path: Path, finish: Finish
) -> None:
    status = Status(RunGrid(untuned), tmp_path)
    for stage in ("pretrain", "runs"):
        finish(*status.cells(stage))
    (tmp_path / "pretrain/contrastive/seed-15/results.json").unlink()
    for cell in status.cells("runs"):
        (tmp_path / cell.folder / "config.json").write_text("{}")
    status._differences = lambda cells: {}  # type: ignore[method-assign]  # of the empty files
    status.find_changed()
    schedule = Schedule(status)
    assert [c.folder for c in schedule.waiting] == ["pretrain/contrastive/seed-15"]
    made = schedule.next()
    assert made is not None
    finish(made)
    results = tmp_path / made.folder / "results.json"
    os.utime(results, ns=(results.stat().st_mtime_ns + 10**9,) * 2)
    status.changed = {}
    schedule.finish(made)
    assert {cell.seed for cell in status.changed} == {15}
    assert {cell.arm for cell in status.changed} == {"contrastive"}
