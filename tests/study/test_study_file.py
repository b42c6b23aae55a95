"""A study's file: what it says is understood, and what is wrong with it is said, all at once."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from handpose.config import check_command_line
from handpose.study.planned_runs import load_study
from handpose.study.run_grid import RunGrid
from handpose.study.study_file import Study, parse_study

STUDIES = Path(__file__).resolve().parents[2] / "handpose" / "study" / "definitions"


def test_a_right_file_is_understood(content: dict[str, Any]) -> None:
    study = parse_study(content | {"fractions": [0.05, 1], "compare": [["none", "contrastive"]]})
    assert study.arms == {"none": None, "contrastive": ("objective=contrastive",)}
    assert [type(part) for part in study.fractions] == [float, float]
    assert study.tune is not None
    assert (study.tune.seed, study.tune.metric) == (1005, "pa_epe_mm")
    assert study.pairs == [("contrastive", "none"), ("none", "contrastive")]


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_studies_of_the_project_are_right(path: Path) -> None:
    study = parse_study(load_study(path.stem, STUDIES))
    assert study.name == path.stem
    assert len(RunGrid(study).samples()) >= 2


def changed(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        *levels, last = key.split(".")
        for level in levels:
            content = content[level]
        content[last] = value

    return change


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("seedz", [1], "seedz: no such key; did you mean seeds?"),
        ("tune.candidate", {}, "tune.candidate: no such key; did you mean candidates?"),
        ("pretrain.arm", {}, "pretrain.arm: no such key; did you mean arms?"),
        ("question", None, "question: is missing"),
        ("question", 3, "question: Input should be a valid string, not 3"),
        ("name", "a/b", "name: String should match pattern"),
        ("better", "lowest", "better: Input should be 'lower' or 'higher', not 'lowest'"),
        ("baseline", "nine", "baseline: nine: expected one of none, contrastive; did you mean no"),
        ("seeds", 5, "seeds: Input should be a valid tuple, not 5"),
        ("seeds", [], "seeds: Tuple should have at least 1 item"),
        ("seeds", [5, "x"], "seeds: Input should be a valid integer, not 'x'"),
        ("seeds", [5, True], "seeds: Input should be a valid integer, not True"),
        ("seeds", [5, 5], "seeds: a value appears twice"),
        ("seeds", [5, 1005], "tune.seed: 1005 is one of seeds"),
        ("fractions", [0.5, 1.5], "fractions: Input should be less than or equal to 1, not 1.5"),
        ("fractions", [0], "fractions: Input should be greater than 0, not 0"),
        ("heads", ["a b"], "heads: String should match pattern"),
        ("compare", [["none", "relative"]], "compare: relative: expected one of none, contrastive"),
        ("compare", [["contrastive", "none"]], "compare: [contrastive, none] is compared already"),
        ("common", "seed=5", "common: Input should be a valid tuple, not 'seed=5'"),
        ("common", [{"seed": 5}], "common: Input should be a valid string, not {'seed': 5}"),
        ("common", ["seed=5"], "common: seed=5: seed is set by seeds of the study"),
        ("common", ["dataset.num_train"], "common: dataset.num_train: not of the form KEY=VALUE"),
        ("common", ["optimizer.lr=1,2"], "several values; a study's own keys say what varies"),
        ("common", ["hydra.sweep.dir=x"], "a study accepts only hydra/launcher"),
        ("common", ["objective=relative"], "objective is set by pretrain.arms"),
        (
            "pretrain.common",
            ["head=heatmap"],
            "pretrain.common: head=heatmap: head is set by heads",
        ),
        ("pretrain.arms.contrastive", [], "pretrain.arms.contrastive: has no objective=NAME"),
        ("pretrain.arms.contrastive", ["augment=full"], "contrastive: has no objective=NAME"),
        ("pretrain.arms", {"none": None}, "pretrain.arms: Dictionary should have at least 2 items"),
        ("pretrain.arms.a b", None, "pretrain.arms.a b: String should match pattern"),
        ("finetune.common", ["backbone.weights=x"], "backbone.weights is set by pretrain.arms"),
        (
            "pretrain.arms.contrastive",
            ["objective=contrastive", "finetune.optimizer.lr=1.0e-3"],
            "contrastive: finetune.optimizer.lr=1.0e-3: has no effect in the runs of pretrain; mov",
        ),
        ("pretrain.common", ["optimizer@finetune.optimizer=sgd"], "no effect in the runs of pret"),
        ("finetune.common", ["augment.strength=1.2"], "no effect in the runs of finetune; move it"),
        ("tune.candidates.long", ["pretrain.batch_size=4"], "no effect in the runs of finetune"),
        ("finetune.common", ["finetune.label_fraction=1"], "is set by fractions of the study"),
        (
            "tune.candidates",
            {"one": []},
            "tune.candidates: Dictionary should have at least 2",
        ),
        ("tune.candidates.long", ["evaluate.split=test"], "evaluate.split is set by tune"),
        ("tune.seed", "x", "tune.seed: Input should be a valid integer, not 'x'"),
        ("tune", 5, "tune: expected the keys seed, metric, fractions, candidates"),
        ("tune.fractions", [0.5], "tune.fractions: 0.5 is not among the fractions"),
    ],
)
def test_a_wrong_file_is_refused(
    content: dict[str, Any], key: str, value: Any, message: str
) -> None:
    changed(key, value)(content)
    with pytest.raises(ValueError) as error:  # noqa: PT011
        parse_study(content)
    assert message in str(error.value)


def test_the_probe_of_pre_training_reads_the_dataset_of_fine_tuning(
    content: dict[str, Any],
) -> None:
    content["pretrain"]["common"] += ["dataset@finetune.dataset=rhd", "pretrain.probe.samples=9"]
    content["finetune"]["common"] += ["augment@finetune.augment=full"]
    parse_study(content)


def test_conditions_keep_what_they_name(used: Study) -> None:
    assert used.uses == ["across", "within", "frozen"]
    counts = {use: (len(used.heads_of(use)), used.fractions_of(use)) for use in used.uses}
    assert counts == {"across": (2, [0.05, 1.0]), "within": (1, [0.05]), "frozen": (2, [0.05, 1.0])}
    assert (used.arms_of("frozen"), used.seeds_of("within")) == (["none"], [5, 25])
    assert (used.pairs_of("across"), used.pairs_of("frozen")) == ([("contrastive", "none")], [])
    assert len(used.places) == 2 * 2 + 1 + 2 * 2
    assert used.primary is not None
    assert used.primary.place in used.places


def test_a_file_without_conditions_has_one_use(study: Study) -> None:
    assert study.uses == [None]
    assert study.places == [(None, "regression", 0.05), (None, "regression", 1.0)]
    assert study.arms_of(None) == [*study.arms]


def test_an_empty_condition_changes_nothing(content: dict[str, Any]) -> None:
    study = parse_study(content | {"conditions": {"plain": None, "same": {}}})
    assert study.seeds_of("plain") == study.seeds_of("same") == [5, 15, 25]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("conditions", {}, "conditions: Dictionary should have at least 1 item"),
        ("conditions.a/b", {}, "conditions.a/b: String should match pattern"),
        ("conditions.across", 3, "conditions.across: expected the keys finetune, arms, heads"),
        ("conditions.across.arm", [], "across.arm: no such key; did you mean arms?"),
        (
            "conditions.frozen.arms",
            ["none", "contrastiv"],
            "conditions.frozen.arms: contrastiv: expected one of none, contrastive; did you mean",
        ),
        ("conditions.frozen.arms", [], "conditions.frozen.arms: Tuple should have at least 1"),
        ("conditions.within.heads", ["simcc"], "within.heads: simcc: expected one of regression"),
        ("conditions.within.fractions", [0.5], "within.fractions: 0.5: expected one of 0.05, 1.0"),
        ("conditions.within.seeds", [5, 7], "within.seeds: 7: expected one of 5, 15, 25"),
        (
            "conditions.across.finetune",
            ["seed=5"],
            "conditions.across.finetune: seed=5: seed is set by seeds of the study",
        ),
        (
            "conditions.across.finetune",
            ["backbone.weights=imagenet"],
            "backbone.weights is set by pretrain.arms",
        ),
        ("finetune.arms", {"relative": []}, "finetune.arms: relative: expected one of none, con"),
        ("conditions.across.finetune", ["augment=none"], "no effect in the runs of finetune; move"),
        (
            "finetune.arms",
            {"none": ["objective=none"]},
            "finetune.arms.none: objective=none: objective is set by pretrain.arms",
        ),
        (
            "primary.condition",
            "acros",
            "primary.condition: acros: expected one of across, within, frozen; did you mean a",
        ),
        ("primary.condition", None, "primary.condition: None: expected one of across"),
        ("primary.head", "simcc", "primary.head: simcc: expected one of regression, heatmap"),
        ("primary.fraction", 0.5, "primary.fraction: 0.5: expected one of 0.05, 1.0"),
        ("primary", {"condition": "within"}, "primary.head: is missing"),
        (
            "primary",
            {"condition": "within", "head": "regression", "fraction": 0.05},
            "primary.head: regression: expected one of heatmap",
        ),
        (
            "primary",
            {"condition": "frozen", "head": "heatmap", "fraction": 0.05},
            "primary.condition: frozen has no two arms that are compared",
        ),
    ],
)
def test_wrong_conditions_are_refused(
    used_content: dict[str, Any], key: str, value: Any, message: str
) -> None:
    changed(key, value)(used_content)
    with pytest.raises(ValueError) as error:  # noqa: PT011
        parse_study(used_content)
    assert message in str(error.value)


def test_the_example_of_the_guide_is_right(content: dict[str, Any]) -> None:
    guide = (STUDIES.parents[2] / "docs" / "guide" / "studies.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    content["pretrain"]["arms"]["relative"] = ["objective=relative"]
    content |= {"heads": ["heatmap", "regression"], "tune": None} | yaml.safe_load(example)
    study = parse_study(content)
    assert study.uses == ["across", "within", "frozen"]
    for command in RunGrid(study).samples():
        check_command_line(command)


def test_a_primary_endpoint_needs_no_conditions(content: dict[str, Any]) -> None:
    place = {"head": "regression", "fraction": 0.05}
    study = parse_study(content | {"primary": place})
    assert study.primary is not None
    assert study.primary.place == study.places[0]
    with pytest.raises(ValueError, match=r"primary\.condition: the study has no conditions"):
        parse_study(content | {"primary": place | {"condition": "across"}})


def test_all_problems_are_said_at_once(content: dict[str, Any]) -> None:
    content |= {"seeds": [], "metrc": 1, "better": "up"}
    del content["metric"]
    with pytest.raises(ValueError, match="seeds") as error:
        parse_study(content)
    lines = str(error.value).splitlines()
    assert {line.split(":")[0] for line in lines} == {"metrc", "metric", "better", "seeds"}


@pytest.mark.parametrize("content", [None, [], "text", 3])
def test_what_is_no_study_at_all_is_refused(content: Any) -> None:
    with pytest.raises(ValueError, match="expected the keys name, question"):
        parse_study(content)


def test_a_file_is_found_by_name_or_path(tmp_path: Path) -> None:
    (tmp_path / "first.yaml").write_text("name: first\nvalue: 1e-3\ntext: ${paths.runs}\n")
    expected = {"name": "first", "value": 1e-3, "text": "${paths.runs}"}
    assert load_study("first", tmp_path) == expected
    assert load_study(str(tmp_path / "first.yaml"), Path("elsewhere")) == expected
    with pytest.raises(ValueError, match=r"frist: no such study; did you mean first\?"):
        load_study("frist", tmp_path)


@pytest.mark.parametrize("text", ["a: [1", "a: 1\na: 2\n", "a: \xff"])
def test_what_is_no_yaml_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.yaml").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"bad.yaml: cannot be read"):
        load_study("bad", tmp_path)
