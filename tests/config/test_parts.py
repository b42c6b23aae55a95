"""With an objective that has parts, an augmentation that none of them reads is refused."""

from collections.abc import Callable
from pathlib import Path

import documents
import pytest
from hydra import compose

from handpose.config import check_command_line
from handpose.config.catalogue import CONF, Catalogue
from handpose.config.checks.composed import find_problems
from handpose.config.composer import Composer
from handpose.config.schema import register

Refused = Callable[..., str]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Asserts that a command line is refused, and returns what is printed."""

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit):
            check_command_line(list(arguments))
        return capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ("augment.rotate=true", "augment (rotate)"),
        ("augment.probability=0.1", "augment (probability)"),
        ("augment=geometry", "augment (rotate, crop, random_crop, margin)"),
    ],
)
def test_an_augmentation_that_no_part_reads_is_refused(
    argument: str, named: str, refused: Refused
) -> None:
    printed = refused("objective=hybrid", argument)
    assert "has 1 problem." in printed
    assert named in printed
    key = named.partition("(")[2].split(",")[0].rstrip(")")
    for part in ("contrastive", "relative"):
        assert f"objective.parts.{part}.augment.{key}" in printed


def test_one_of_an_experiment_is_refused_too(tmp_path: Path, refused: Refused) -> None:
    folder = tmp_path / "more" / "experiment"
    folder.mkdir(parents=True)
    content = "defaults:\n  - override /objective: hybrid\n"
    (folder / "own.yaml").write_text(f"# @package _global_\n{content}augment:\n  sobel: true\n")
    printed = refused("--config-dir", str(folder.parent), "experiment=own")
    assert "augment (sobel): has no effect" in printed


@pytest.mark.parametrize(
    "arguments",
    [
        ["objective=hybrid"],
        ["objective=hybrid", "augment=none"],
        ["objective=hybrid", "objective.parts.relative.augment.rotate=false"],
        ["objective=contrastive", "augment.rotate=false"],
        ["objective=hybrid", "augment@finetune.augment=full"],
    ],
)
def test_what_reaches_a_view_passes(arguments: list[str]) -> None:
    check_command_line(arguments)


def test_the_hybrid_of_the_guide_passes(tmp_path: Path) -> None:
    for path, content in documents.files(documents.ROOT / "docs/guide/objectives.md").items():
        file = tmp_path / Path(path).relative_to("conf")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    own = ("--config-dir", str(tmp_path), "objective=hybrid_byol")
    check_command_line([*own, "objective.parts.byol.teacher_momentum=0.9"])


def test_parts_without_any_weight_are_refused(refused: Refused) -> None:
    zero = [f"objective.weights.{part}=0" for part in ("contrastive", "relative")]
    printed = refused("objective=hybrid", *zero)
    assert "has 1 problem." in printed
    assert "objective.weights: all are 0" in printed


def test_keys_of_a_part_can_be_given_together(refused: Refused) -> None:
    check_command_line(["objective=contrastive", "augment={crop:true,rotate:false}"])
    check_command_line(["-m", "objective=contrastive", "augment={crop:true},{rotate:false}"])
    assert "did you mean augment.crop?" in refused("augment={crp:true}")
    assert "did you mean augment.crop?" in refused("-m", "augment={crp:true},{crop:true}")
    assert "os.mkdir" in refused("augment={angle:{_target_:os.mkdir}}")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("objective: contrastive", "objective=contrastive: objective is a group; write `- override "
         "objective: contrastive` in the defaults list"),
        ("head: regresion", "head=regresion: head is a group; no such choice; did you mean regr"),
        ("dataset: null", "write `- override dataset: CHOICE` in"),
        ("trainer: debug", "write `- override trainer: debug` in"),
        ("pretrain:\n  dataset: synthetic", "write `- override dataset@pretrain.dataset: synth"),
    ],
)  # fmt: skip
def test_a_choice_as_a_plain_key_is_refused(
    written: str, said: str, tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / "mine.yaml").write_text(f"defaults:\n  - config\n  - _self_\n{written}\n")
    printed = refused("--config-dir", str(tmp_path), "--config-name", "mine")
    assert said in printed
    assert "has 1 problem." in printed


def test_the_file_of_the_guide_is_right(tmp_path: Path) -> None:
    guide = (CONF.parent / "docs/guide/configuration.md").read_text()
    (tmp_path / "mine.yaml").write_text(guide.partition("```yaml\n")[2].partition("```")[0])
    catalogue = Catalogue((CONF, tmp_path))
    with Composer(catalogue, "mine").opened():
        cfg = compose("mine", return_hydra_config=True)
    assert (cfg.seed, cfg.pretrain.max_epochs) == (7, 100)
    assert cfg.objective._target_.endswith(".Contrastive")
    assert cfg.pretrain.optimizer._target_ != cfg.finetune.optimizer._target_
    assert not find_problems(cfg, catalogue)
