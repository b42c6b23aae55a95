"""A study's file: what it says is understood, and what is wrong with it is said, all at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handpose.study.planned_runs import load_study
from handpose.study.run_grid import RunGrid
from handpose.study.study_file import parse_study

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
