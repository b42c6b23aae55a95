"""The exact commands of a study, and the folders that its cells get."""

from typing import Any

import pytest

from handpose.study.run_grid import Batch, Cell, RunGrid, Stage, batches
from handpose.study.study_file import Study, parse_study
from handpose.study.study_keys import Finetuning

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


def test_each_condition_has_its_cells_and_folders(used: Study) -> None:
    """One obvious loop over everything, less what a condition leaves out."""
    kept = {
        "across": lambda arm, head, part, seed: True,
        "within": lambda arm, head, part, seed: (
            part == 0.05 and seed in (5, 25) and head == "heatmap"
        ),
        "frozen": lambda arm, head, part, seed: arm == "none" and seed == 5,
    }
    expected = [
        f"runs/{use}/{arm}/{head}/labels-{part}/seed-{seed}"
        for use, is_kept in kept.items()
        for arm in ("none", "contrastive")
        for head in ("regression", "heatmap")
        for part in (0.05, 1.0)
        for seed in (5, 15, 25)
        if is_kept(arm, head, part, seed)
    ]
    cells = RunGrid(used).cells("runs")
    assert [cell.folder for cell in cells] == expected
    found = batches(cells)
    assert [cell.folder for batch in found for cell in batch.cells] == expected
    assert len(found) == 2 + 2 + 1
    folder = dict(line.split("=", 1) for line in RunGrid(used).multirun(found[-1])[1:])
    assert folder["hydra.sweep.dir"] == "${paths.runs}/studies/small/runs/frozen/none"


def test_only_backbones_that_are_used_are_pretrained(content: dict[str, Any]) -> None:
    content["pretrain"]["arms"]["relative"] = ["objective=relative"]
    uses = {"across": {"arms": ["none", "relative"], "seeds": [5]}, "within": {"arms": ["none"]}}
    cells = RunGrid(parse_study(content | {"conditions": uses})).cells("pretrain")
    assert [(cell.arm, cell.seed) for cell in cells] == [("relative", 5), ("relative", 1005)]


def test_the_more_specific_setting_of_finetuning_wins(content: dict[str, Any]) -> None:
    content["finetune"] = {
        "common": ["finetune.max_epochs=1", "finetune.batch_size=1", "optimizer.lr=1"],
        "arms": {"none": ["finetune.batch_size=2", "optimizer.lr=2"], "contrastive": None},
    }
    content["conditions"] = {"across": {"finetune": ["optimizer.lr=3"]}, "within": {}}
    grid = RunGrid(parse_study(content | {"tune": None}))

    def settings(arm: str, use: str) -> list[str]:
        cell = Cell("runs", arm, 5, "regression", 1.0, condition=use)
        told = dict(line.split("=", 1) for line in grid.overrides(Batch.of(cell)))
        return [told[k] for k in ("finetune.max_epochs", "finetune.batch_size", "optimizer.lr")]

    assert settings("none", "across") == ["1", "2", "3"]
    assert settings("none", "within") == ["1", "2", "2"]
    assert settings("contrastive", "within") == ["1", "1", "1"]


def test_settings_are_tuned_for_each_condition(content: dict[str, Any]) -> None:
    content["tune"]["fractions"] = [0.05, 1.0]
    content["conditions"] = {"across": {}, "frozen": {"fractions": [1.0], "arms": ["none"]}}
    cells = RunGrid(parse_study(content)).cells("tune")
    assert len(cells) == 2 * 2 * 2 + 2
    assert [cell.folder for cell in cells[-2:]] == [
        f"tune/frozen/none/{name}/regression/labels-1.0" for name in ("short", "long")
    ]


def test_what_is_checked_first_takes_every_condition_and_arm(used: Study) -> None:
    finetune = Finetuning(arms={"contrastive": ("optimizer.lr=0.5",)})
    found = RunGrid(used.model_copy(update={"finetune": finetune})).samples()
    lines = [set(command) for command in found]
    for told in (
        {"finetune.batch_size=4", "optimizer.lr=0.5"},
        {"finetune.freeze_backbone=true"},
        {"objective=contrastive"},
    ):
        assert any(told <= own for own in lines)
    assert not any("seed=5,15" in own for own in lines)
    assert sum("head=regression,heatmap" in own for own in lines) == 3  # across twice, frozen
