"""A key added in one place is known to the checks, the help, the tables and the fingerprint.

Each test works on a copy of conf/ with a made-up key of the run and one of a part.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from handpose.config import check_command_line, schema, stored
from handpose.config.catalogue import Catalogue
from handpose.config.checks import command_line
from handpose.config.checks import composed as checks
from handpose.config.documentation import help_keys, key_tables
from handpose.config.schema import CONF, parse_rule, read_keys, register
from handpose.pipeline.stages import encoder_key

PRETRAIN = "  max_epochs: 2 "
OF_RUN = "  # comment\n  made_up: 3 # [int 1..9; main] made-up number of\n    # things\n"
OF_RUN += "  made_free: 3 # [int 1..9; free] made-up number of workers\n"
OF_PART = "\nmade_share: 0.5 # [>0..1] made-up share\n"


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of conf/ with the made-up keys, which takes the place of conf/."""
    folder = tmp_path / "conf"
    shutil.copytree(CONF, folder)
    main, part = folder / "config.yaml", folder / "objective" / "contrastive.yaml"
    main.write_text(main.read_text().replace(PRETRAIN, OF_RUN + PRETRAIN, 1))
    part.write_text(part.read_text() + OF_PART)
    for module in (schema, checks, command_line):
        monkeypatch.setattr(module, "CONF", folder)
    monkeypatch.setattr(Catalogue.__init__, "__defaults__", ((folder,),))
    monkeypatch.chdir(tmp_path)
    stored._free_keys.cache_clear()
    register()
    yield folder
    monkeypatch.undo()
    stored._free_keys.cache_clear()
    register()


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("pretrain.made_up=10", "pretrain.made_up=10: expected a whole number from 1 to 9"),
        ("pretrain.made_up=x", "pretrain.made_up=x: expected a whole number from 1 to 9"),
        ("pretrain.mad_up=3", "did you mean pretrain.made_up?"),
        ("objective.made_share=0", "made_share=0: expected a number above 0 and at most 1"),
        ("objective.made_shre=1", "did you mean objective.made_share?"),
    ],
)
def test_the_checks_hold_it(
    argument: str, said: str, conf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check_command_line(["objective=contrastive", "pretrain.made_up=9", "objective.made_share=1"])
    with pytest.raises(SystemExit):
        check_command_line(["objective=contrastive", argument])
    assert said in capsys.readouterr().err


def test_a_value_is_converted_as_it_declares(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADE_UP", "7")
    with initialize_config_dir(str(conf), version_base="1.3"):
        cfg = compose("config", ["pretrain.made_up=${oc.env:MADE_UP}"])
    assert cfg.pretrain.made_up == 7


def test_the_help_and_the_tables_list_it(conf: Path) -> None:
    assert "pretrain.made_up=3" in help_keys(Catalogue())
    assert "made-up number of things" in help_keys(Catalogue())
    assert "made_share" not in help_keys(Catalogue())
    rows = key_tables(Catalogue()).splitlines()
    run = "| `pretrain.made_up` | `3` | a whole number from 1 to 9 | made-up number of things |"
    assert run in rows
    (part,) = [row for row in rows if row.startswith("| `objective.made_share` | `0.5` |")]
    assert "a number above 0 and at most 1 | (contrastive, equivariant) made-up share |" in part


def test_the_fingerprint_has_it_unless_it_is_free(conf: Path) -> None:
    def spec(*overrides: str) -> dict[str, Any]:
        with initialize_config_dir(str(conf), version_base="1.3"):
            cfg = compose("config", ["objective=contrastive", *overrides])
        whole: Any = OmegaConf.to_container(cfg, resolve=True)
        return encoder_key._that_counts(whole, "pretrain") | {"whole": whole}

    before, other, free = spec(), spec("pretrain.made_up=4"), spec("pretrain.made_free=4")
    assert before["made_up"] == 3
    assert "made_free" not in before
    assert stored.changes(before["whole"], other["whole"]) == ["pretrain.made_up: 3 -> 4"]
    assert stored.changes(before["whole"], free["whole"]) == []


def test_each_key_is_declared_in_one_file() -> None:
    """What a key of a group takes stands in one of its files."""
    for group, choices in Catalogue().choices.items():
        files = [file for choice in choices if (file := Catalogue().file(group, choice))]
        declared = [path for file in files for path, key in read_keys(file).items() if key.rule]
        assert len(declared) == len(set(declared)), group


def test_brackets_that_say_nothing_are_found() -> None:
    """They would pass for a part of the meaning."""
    for file in CONF.rglob("*.yaml"):
        for path, key in read_keys(file).items():
            assert not key.meaning.startswith("["), (file, path)
            assert key.marks <= {"main", "free", "new"}, (file, path)
    for text in ("int 1", "1..", "a b", "range 3..x", ""):
        with pytest.raises(ValueError, match="does not say what a key takes"):
            parse_rule(text)
