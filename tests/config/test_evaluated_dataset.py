"""`dataset@evaluate.dataset=NAME`: what reaches it, what counts, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
from layouts import write_freihand
from omegaconf import OmegaConf
from shared_runs import composed

from handpose.config.checks.command_line import check_command_line
from handpose.config.checks.sweeps import adaptive_problems
from handpose.config.stored import changes, evaluation_problems, outside_problems

APART = ("dataset=synthetic", "dataset@pretrain.dataset=synthetic")
APART += ("dataset@evaluate.dataset=synthetic", "evaluate.dataset.seed=3")


def config(*overrides: str) -> dict[str, Any]:
    whole: Any = OmegaConf.to_container(composed(*overrides), resolve=True)
    return whole


def refusals(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit):
        check_command_line(list(arguments))
    return capsys.readouterr().err


def test_a_bare_dataset_does_not_reach_it() -> None:
    assert config("dataset=rhd")["evaluate"]["dataset"] is None
    found = config(*APART, "dataset.num_test=7")
    assert found["finetune"]["dataset"]["num_test"] == 7
    assert found["evaluate"]["dataset"]["num_test"] == 500
    assert (found["evaluate"]["dataset"]["seed"], found["finetune"]["dataset"]["seed"]) == (3, 0)


def test_it_counts_and_runs_from_before_it_have_none() -> None:
    now, old = config(), config()
    del old["evaluate"]["dataset"]
    assert changes(old, now) == []
    assert changes(config(*APART), config(*APART)) == []
    assert "evaluate.dataset.seed: absent -> 3" in changes(old, config(*APART))
    other = config(*APART, "evaluate.dataset.seed=4")
    assert changes(config(*APART), other) == ["evaluate.dataset.seed: 3 -> 4"]
    free = config(*APART, "evaluate.dataset.packed=true")
    assert changes(config(*APART), free) == []


def test_crops_of_another_size_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    printed = refusals(capsys, *APART, "dataset.image_size=32")
    assert "set evaluate.dataset.image_size=32" in printed
    check_command_line([*APART, "dataset.image_size=32", "evaluate.dataset.image_size=32"])
    check_command_line([*APART, "dataset.image_size=32", "head=none"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["folder", "evaluate.dataset.root={here}"], "evaluate.dataset: folder has no joints to"),
        (["freihand", "paths.data=/nowhere"], "evaluate.dataset.root=/nowhere/freihand: no such"),
        (["mix", "evaluate.dataset.sources=[synthetic,freihnd]"], "did you mean freihand?"),
        (["synthetic", "evaluate.dataset.num_test=0"], "evaluate.dataset.num_test=0: expected a"),
        (["synthetic", "evaluate.dataset.num_tset=5"], "did you mean evaluate.dataset.num_test?"),
        (["synthetic", "evaluate.dataset.pack_format=jpeg"], "needs evaluate.dataset.packed=true"),
        (["synthetic", "evaluate.dataset.root=~/x"], "evaluate.dataset.root=~/x: ~ is not"),
        (["synthetic", "evaluate.dataset._target_=os.system"], "evaluate.dataset._target_=os."),
    ],
)
def test_its_keys_and_files_are_checked(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "image.jpg").touch()
    choice, *keys = (argument.format(here=tmp_path) for argument in arguments)
    assert message in refusals(capsys, f"dataset@evaluate.dataset={choice}", *keys)


def test_no_adaptive_sweep_chooses_it(capsys: pytest.CaptureFixture[str]) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    swept = OverridesParser.create().parse_overrides(["dataset@evaluate.dataset=freihand,rhd"])
    problems = adaptive_problems(swept, rules={}, has_head=True, metric=None)
    assert "decides what is measured" in problems[0]


def test_an_evaluation_is_on_the_dataset_of_the_run_or_on_a_given_one(tmp_path: Path) -> None:
    write_freihand(tmp_path / "freihand", annotations=3)
    of_run, root = config(*APART, "evaluate.dataset.image_size=64"), tmp_path / "freihand"

    def opened(*overrides: str) -> Any:
        cfg, problems = evaluation_problems(of_run, [f"paths.cache={tmp_path}", *overrides])
        assert problems == []
        return cfg

    own = opened("evaluate.dataset.num_test=9")
    assert (own.evaluate.dataset.seed, own.evaluate.dataset.num_test) == (3, 9)
    assert own.evaluate.dataset.root == f"{tmp_path}/synthetic", "it moved with its folder"
    assert own.finetune.dataset.seed == 0
    one = opened("dataset=freihand", f"dataset.root={root}")
    assert one.evaluate.dataset is None
    assert one.finetune.dataset.root == str(root)
    both = opened("dataset@evaluate.dataset=freihand", f"evaluate.dataset.root={root}")
    assert both.evaluate.dataset.image_size == both.finetune.dataset.image_size == 64
    assert both.finetune.dataset._target_.endswith("Synthetic")
    assert "evaluate.dataset.root" in outside_problems(both, [tmp_path / "synthetic"])[0]
    assert outside_problems(both, [tmp_path]) == []


def test_a_key_that_does_not_reach_the_evaluated_dataset_is_refused() -> None:
    """Else the numbers of evaluate.dataset would be taken for those of dataset.domain=lab."""
    of_run, of_another = config(*APART), config("dataset=synthetic")

    def problems(run: dict[str, Any], *overrides: str) -> list[str]:
        return evaluation_problems(run, list(overrides))[1]

    (problem,) = problems(of_run, "dataset.domain=lab")
    assert "write evaluate.dataset.domain=lab, or choose dataset=NAME" in problem
    assert problems(of_another, "dataset.domain=lab") == []
    assert problems(of_run, "dataset.packed=false") == []
    assert problems(of_run, "dataset=synthetic", "dataset.domain=lab") == []
    assert problems(of_run, "dataset.num_train=9", "evaluate.dataset.domain=lab") == []


@pytest.mark.parametrize("word", ["dataset=rhd", "dataset.num_train=9"])
def test_a_bare_dataset_is_refused_where_no_stage_takes_it(
    capsys: pytest.CaptureFixture[str], word: str
) -> None:
    both = ("dataset@pretrain.dataset=synthetic", "dataset@finetune.dataset=synthetic")
    err = refusals(capsys, *both, word)
    assert f"{word}: has no effect, as pretrain.dataset and finetune.dataset have choices" in err
    right = {"dataset=rhd": "dataset@finetune.dataset=rhd"}.get(word, f"finetune.{word}")
    assert err.rstrip().splitlines()[2].endswith(f" or {right}")
    check_command_line([both[0], "dataset.num_train=9"])  # it reaches fine-tuning
