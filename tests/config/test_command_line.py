"""What people type: paths with ~ and special characters, flags, names of other projects."""

import json
import shlex
import string
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from handpose.config import check_command_line
from handpose.config.catalogue import CONF, Catalogue
from handpose.config.checks.overrides import as_argument, home_problem, path_argument
from handpose.config.checks.unknown_keys import _CHOICES, _KEYS
from handpose.config.content import paths
from handpose.config.stored import evaluation_problems

Refused = Callable[..., str]
TRAIN = CONF.parent / "train.py"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Refused:
    """Asserts that a command line is refused for one problem, and leaves nothing behind."""
    before = set(tmp_path.rglob("*"))

    def run(*arguments: str, count: int = 1) -> str:
        with pytest.raises(SystemExit) as exit_:
            check_command_line(list(arguments))
        assert exit_.value.code == 1
        printed = capsys.readouterr().err
        assert f"has {count} problem" in printed, printed
        assert set(tmp_path.rglob("*")) == before
        return printed

    return run


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (["paths.data=~/x"], "paths.data"),
        (["paths.runs='~/x'"], "paths.runs"),
        (["paths.cache='~/x'"], "paths.cache"),
        (["dataset=freihand", "dataset.root=~/x"], "dataset.root"),
        (["dataset=freihand", "dataset.root='~/x'"], "dataset.root"),
        (["dataset@pretrain.dataset=folder", "pretrain.dataset.root=~/x"], "pretrain.dataset.root"),
        (
            ["dataset=mix", "dataset.sources=[mpii]", "dataset.parts.mpii.root='~/x'", "head=none"],
            "dataset.parts.mpii.root",
        ),
        (["backbone.weights='~/x'"], "backbone.weights"),
        (["hydra.run.dir=~/x"], "hydra.run.dir"),
        (["hydra.run.dir='~/x'"], "hydra.run.dir"),
        (["-m", "seed=1,2", "hydra.sweep.dir='~/x'"], "hydra.sweep.dir"),
        (["-m", "seed=1,2", "dataset.root='~/x'"], "dataset.root"),
        (["hydra.searchpath=['file://~/x']"], "hydra.searchpath"),
    ],
)
def test_a_home_directory_is_named_in_full(
    arguments: list[str], key: str, refused: Refused
) -> None:
    printed = refused(*arguments)
    assert f"- {key}=" in printed
    assert "~ is not expanded here; write /home/me/x" in printed


def test_a_home_directory_in_a_sweep_or_a_file(tmp_path: Path, refused: Refused) -> None:
    printed = refused("-m", "dataset.root='~/a',/b")
    assert "write /home/me/a [in 1 of 2 cells]" in printed
    folder = tmp_path / "more" / "experiment"
    folder.mkdir(parents=True)
    (folder / "own.yaml").write_text("# @package _global_\npaths:\n  cache: ~/c\n")
    with pytest.raises(SystemExit):
        check_command_line(["--config-dir", str(tmp_path / "more"), "experiment=own"])


def test_what_begins_with_a_tilde_and_is_no_path() -> None:
    assert home_problem("sweep", "~about") is None or "~about" in str(home_problem("s", "~about"))
    assert home_problem("paths.data", "a/~b") is None
    assert "the whole path" in str(home_problem("paths.data", "~nobody_of_that_name/x"))


def test_a_path_of_a_script_is_expanded() -> None:
    assert path_argument("~/x") == Path("/home/me/x")
    assert path_argument("a~/x") == Path("a~/x")


# What a hint is for: every printable sign of ASCII, and a few beyond.
SIGNS = [s for s in string.punctuation + " éπ手" if s not in "/."]


@pytest.mark.parametrize("sign", [*SIGNS, "[1] = (2), {3}", "it's", 'a "b"', "x\\"])
def test_a_path_with_any_sign_is_taken_or_its_hint_works(
    sign: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = f"{tmp_path}/a{sign}b" if sign != "x\\" else f"{tmp_path}/ax\\"
    argument = f"paths.runs={path}"
    try:
        check_command_line([argument])
    except SystemExit:
        printed = capsys.readouterr().err
        assert "has 1 problem." in printed
        hint = next(line for line in printed.splitlines() if "write" in line or "written" in line)
        (argument,) = shlex.split(hint[hint.index("'paths.runs=") :])
        check_command_line([argument])
    with initialize_config_dir(str(CONF), version_base="1.3"):
        assert compose("config", overrides=[argument]).paths.runs == path


def test_a_number_as_a_name(refused: Refused) -> None:
    printed = refused("paths.runs=2024")
    assert """expected text; write 'paths.runs="2024"'""" in printed
    check_command_line(['paths.runs="2024"'])
    assert as_argument("paths.runs", "2024") == """'paths.runs="2024"'"""


def test_no_second_problem_follows_from_what_cannot_be_read(refused: Refused) -> None:
    assert "dataset.root=/a=b: has characters" in refused("dataset=freihand", "dataset.root=/a=b")
    assert "several values" in refused("dataset=freihand", "dataset.root=/a,b")
    printed = refused("dataset=freihand", "dataset.root=/a=b", "seed=-1", count=2)
    assert "seed=-1: expected" in printed


def test_nor_in_an_evaluation() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config: Any = json.loads(json.dumps(_resolved(compose("config"))))
    for root in ("/a=b", "/a,b"):
        _, problems = evaluation_problems(config, ["dataset=freihand", f"dataset.root={root}"])
        assert len(problems) == 1, problems


def _resolved(cfg: Any) -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.to_container(cfg, resolve=True)


@pytest.mark.parametrize(
    ("arguments", "forms"),
    [
        (["--optimizer.lr=0.001"], "optimizer.lr=0.001"),
        (["--lr", "0.1"], "optimizer.lr=0.1"),
        (["-lr", "0.1"], "optimizer.lr=0.1"),
        (["--learning-rate=0.1"], "optimizer.lr=0.1"),
        (["--objective", "contrastive"], "objective=contrastive"),
        (["--gpus", "2"], "trainer.devices=2"),
        (["--epochs", "3"], "pretrain.max_epochs=3 or finetune.max_epochs=3"),
        (
            ["--batch-size", "8"],
            "pretrain.batch_size=8 or finetune.batch_size=8 or evaluate.batch_size=8",
        ),
        (["--xyzzy"], "KEY=VALUE"),
    ],
)
def test_a_flag_is_told_its_right_form(arguments: list[str], forms: str, refused: Refused) -> None:
    printed = refused(*arguments, "head=regression")
    assert (
        f"- {' '.join(arguments)}: keys and groups have no dashes here; write {forms}\n" in printed
    )


def test_hydras_own_flags_stay() -> None:
    for flags in (["--cfg", "job"], ["-c", "job"], ["--multirun", "seed=1,2"], ["--info=config"]):
        check_command_line(flags)


def test_a_configuration_of_ones_own_builds_on_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in plain Hydra, in any folder."""
    folder = tmp_path / "it's [mine], a=b"
    folder.mkdir()
    text = "defaults:\n  - config\n  - _self_\nseed: 7\nfinetune:\n  max_epochs: 3\n"
    (folder / "mine.yaml").write_text(text)
    flags = ["--config-dir", str(folder), "--config-name", "mine"]
    check_command_line([*flags, "objective=contrastive"])
    check_command_line([*flags, "-m", "seed=1,2"])
    command = [sys.executable, str(TRAIN), *flags, "head=regression", "--cfg", "job"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "seed: 7" in done.stdout
    assert "RegressionHead" in done.stdout
    with pytest.raises(SystemExit):
        check_command_line([*flags, "finetune.max_epochs=0"])
    assert "finetune.max_epochs=0: expected" in capsys.readouterr().err


def test_its_mistakes_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.yaml").write_text("defaults:\n  - config\n  - _self_\nsed: 3\n")
    with pytest.raises(SystemExit):
        check_command_line(["--config-dir", str(tmp_path), "--config-name", "mine"])
    assert "sed: no such key; did you mean seed?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        check_command_line(["--config-dir", str(tmp_path / "nowhere")])
    assert "nowhere: no such directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argument",
    ["sweep=a,b", "hydra.sweep.dir=a,b", "hydra/launcher=basic,joblib", "paths.runs=a,b",
     "hydra.sweep.subdir=a,b"],
)  # fmt: skip
def test_a_sweep_has_one_name_and_place(argument: str, refused: Refused) -> None:
    printed = refused("-m", "seed=1,2", argument)
    assert f"- {argument}: is the same for all cells of a sweep" in printed


@pytest.mark.parametrize("written", ["hydra.sweeper.params.seed=1,2", "+hydra.sweeper.params.x=1"])
def test_parameters_of_the_sweeper_are_for_files(
    written: str, tmp_path: Path, refused: Refused
) -> None:
    assert f"- {written}: hydra.sweeper.params is for files" in refused("-m", written)


def test_a_sweep_of_its_name_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "more" / "experiment"
    folder.mkdir(parents=True)
    text = (
        "# @package _global_\nhydra:\n  sweeper:\n    params:\n      sweep: a,b\n      seed: 1,2\n"
    )
    (folder / "study.yaml").write_text(text)
    with pytest.raises(SystemExit):
        check_command_line(["--config-dir", str(folder.parent), "-m", "experiment=study"])
    assert "sweep=a,b: is the same for all cells" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("objective=simclr", "did you mean contrastive?"),
        ("objective=SimCLR", "did you mean contrastive?"),
        ("objective=peclr", "did you mean equivariant?"),
        ("objective=supervised", "did you mean none?"),
        ("backbone=hrnet", "did you mean hrnet_w18?"),
        ("backbone=r50", "did you mean resnet50?"),
        ("backbone=ResNet-50", "did you mean resnet50?"),
        ("dataset=DexYCB", "did you mean dexycb?"),
        ("dataset=ho-3d", "did you mean ho3d?"),
        ("dataset=H2O", "no reader yet; dataset=manifest takes any labelled images"),
        ("optimizer=lamb", "it is one of timm: optimizer=timm optimizer.opt=lamb"),
        ("learning_rate=1", "did you mean optimizer.lr?"),
        ("epochs=3", "did you mean pretrain.max_epochs or finetune.max_epochs?"),
        ("max_epochs=3", "did you mean pretrain.max_epochs or finetune.max_epochs?"),
    ],
)
def test_names_of_other_projects_are_known(argument: str, said: str, refused: Refused) -> None:
    assert said in refused(argument)


def test_what_the_aliases_stand_for_is_there() -> None:
    catalogue = Catalogue()
    for group, names in _CHOICES.items():
        assert not set(names) & set(catalogue.choices[group])
        meant = [choice for choice in names.values() if " " not in choice]
        assert set(meant) <= set(catalogue.choices[group])
    keys = [*paths(catalogue.whole_tree), *catalogue.choices, "hydra.run.dir"]
    assert set(_KEYS.values()) <= set(keys)


def test_help_counts_the_experiments_and_has_the_main_keys() -> None:
    command = [sys.executable, str(TRAIN), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "files, listed in docs/guide/experiments.md" in done.stdout
    assert "ablation_" not in done.stdout
    assert "objective: relative, barlow_twins, byol, contrastive" in done.stdout
    lines = {line.split("=")[0]: line for line in done.stdout.splitlines()}
    assert lines["pretrain.max_epochs"].endswith("length of the stage, in epochs")
    assert lines["paths.data"].endswith("folder of the datasets: ${paths.data}/<name>")
    assert "optimizer.lr=0.001" in done.stdout
    assert max(map(len, done.stdout.splitlines())) < 140
