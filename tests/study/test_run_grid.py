"""The exact commands of a study, and the folders that its cells get."""

from typing import Any

import pytest

from handpose.study.run_grid import Cell, RunGrid, Stage, batches
from handpose.study.study_file import Study, parse_study

WEIGHTS = (
    "backbone.weights=${paths.runs}/studies/small/pretrain/contrastive/seed-${seed}/backbone.pt"
)
PLACE = "${hydra.runtime.choices.head}/labels-${finetune.label_fraction}"


def commands(study: Study, stage: Stage, *extra: str) -> list[list[str]]:
    grid = RunGrid(study, extra)
    return [grid.multirun(batch) for batch in batches(grid.cells(stage))]


def test_pretraining_is_once_an_arm_and_seed(study: Study) -> None:
    assert commands(study, "pretrain", "trainer=debug", "hydra/launcher=joblib") == [
        [
            "-m",
            "dataset.num_train=40",
            "finetune.max_epochs=9",
            "pretrain.max_epochs=3",
            "objective=contrastive",
            "trainer=debug",
            "hydra/launcher=joblib",
            "head=none",
            "seed=5,15,25,1005",
            "sweep=small",
            "hydra.sweep.dir=${paths.runs}/studies/small/pretrain/contrastive",
            "hydra.sweep.subdir=seed-${seed}",
        ]
    ]


def test_tuning_is_on_the_validation_split_with_its_own_seed(study: Study) -> None:
    found = commands(study, "tune", "trainer=debug")
    assert [line[-2].rpartition("/tune/")[2] for line in found] == [
        "none/short",
        "none/long",
        "contrastive/short",
        "contrastive/long",
    ]
    assert found[3] == [
        "-m",
        "dataset.num_train=40",
        "finetune.max_epochs=16",
        "optimizer.lr=1.0e-4",
        "trainer=debug",
        "objective=none",
        "head=regression",
        "finetune.label_fraction=0.05,1.0",
        "seed=1005",
        WEIGHTS,
        "evaluate.split=val",
        "sweep=small",
        "hydra.sweep.dir=${paths.runs}/studies/small/tune/contrastive/long",
        f"hydra.sweep.subdir={PLACE}",
    ]
    assert not any(line.startswith("backbone.weights") for line in found[0])


def test_final_runs_of_an_arm_are_one_command(untuned: Study) -> None:
    assert commands(untuned, "runs") == [
        [
            "-m",
            "dataset.num_train=40",
            "finetune.max_epochs=8",
            "objective=none",
            "head=regression",
            "finetune.label_fraction=0.05,1.0",
            "seed=5,15,25",
            *weights,
            "sweep=small",
            f"hydra.sweep.dir=${{paths.runs}}/studies/small/runs/{arm}",
            f"hydra.sweep.subdir={PLACE}/seed-${{seed}}",
        ]
        for arm, weights in (("none", []), ("contrastive", [WEIGHTS]))
    ]


def test_without_tuning_there_is_no_tuning_seed(untuned: Study) -> None:
    assert [cell.seed for cell in RunGrid(untuned).cells("pretrain")] == [5, 15, 25]
    assert RunGrid(untuned).cells("tune") == []


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ({(0.05, 5)}, ["0.05 5"]),
        ({(0.05, 5), (0.05, 25)}, ["0.05 5,25"]),
        ({(0.05, 15), (1.0, 15)}, ["0.05,1.0 15"]),
        ({(0.05, 5), (1.0, 15), (1.0, 25)}, ["0.05 5", "1.0 15,25"]),
    ],
)
def test_commands_hold_the_missing_cells_and_no_others(
    untuned: Study, missing: set[tuple[float, int]], expected: list[str]
) -> None:
    cells = [
        c
        for c in RunGrid(untuned).cells("runs")
        if c.arm == "none" and (c.fraction, c.seed) in missing
    ]
    found = batches(cells)
    assert {cell for batch in found for cell in batch.cells} == set(cells)
    assert sum(len(batch.cells) for batch in found) == len(cells)
    lines = [
        dict(line.split("=", 1) for line in RunGrid(untuned).overrides(batch)) for batch in found
    ]
    assert [f"{line['finetune.label_fraction']} {line['seed']}" for line in lines] == expected


def test_heads_and_chosen_settings_are_kept_apart(content: dict[str, Any]) -> None:
    study = parse_study(content | {"heads": ["regression", "heatmap"]})
    cells = [
        Cell("runs", "none", seed, head, 1.0, "short" if head == "heatmap" else "long")
        for head in study.heads
        for seed in study.seeds
    ]
    assert [(batch.heads, batch.candidate) for batch in batches(cells)] == [
        (("regression",), "long"),
        (("heatmap",), "short"),
    ]
    joined = batches([cell._replace(candidate="long") for cell in cells])
    assert [batch.heads for batch in joined] == [("regression", "heatmap")]


def test_folders_differ_and_say_what_they_are(study: Study) -> None:
    cells = [
        *RunGrid(study).cells("pretrain"),
        *RunGrid(study).cells("tune"),
        *RunGrid(study).cells("runs"),
    ]
    folders = [cell.folder for cell in cells]
    assert len(set(folders)) == len(cells) == 4 + 2 * 2 * 2 + 2 * 2 * 3
    assert folders[0] == "pretrain/contrastive/seed-5"
    assert folders[4] == "tune/none/short/regression/labels-0.05"
    assert folders[-1] == "runs/contrastive/regression/labels-1.0/seed-25"


def test_what_is_checked_first_needs_no_backbone_and_takes_every_setting(study: Study) -> None:
    found = RunGrid(study).samples()
    assert len(found) == 1 + 2
    assert not any("backbone.weights" in line for command in found for line in command)
    assert {"objective=contrastive", "finetune.max_epochs=4", "optimizer.lr=1.0e-4"} <= {
        line for command in found for line in command
    }


def test_settings_tried_at_one_fraction_hold_for_the_nearest_others(
    content: dict[str, Any],
) -> None:
    content["fractions"] = [0.01, 0.05, 0.1, 1.0]
    content["tune"]["fractions"] = [0.05, 1.0]
    study = parse_study(content)
    assert study.tune is not None
    assert [study.tune.nearest(fraction) for fraction in study.fractions] == [0.05] * 3 + [1.0]
    assert {cell.fraction for cell in RunGrid(study).cells("tune")} == {0.05, 1.0}
    assert RunGrid(study).samples()[-1][-1].startswith("hydra.sweep.subdir=")
