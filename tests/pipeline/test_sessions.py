"""Provenance of a run: every session is kept, and nothing that decides a run reads it."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from handpose.config.catalogue import CONF
from handpose.config.renamed import PROVENANCE
from handpose.config.schema import register
from handpose.config.stored import changes
from handpose.pipeline import sessions
from handpose.pipeline.run_directory import CONFIG, claim, read_config, read_json
from handpose.pipeline.sessions import Session, recorded

OVERRIDES = ("trainer=cpu", "seed=7")
KEYS = ["sessions", "has_all_sessions", "started", "ended", "seconds", "data"]


def composed(*overrides: str) -> DictConfig:
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=list(overrides))


class Source(NamedTuple):
    name: str
    fingerprint: str | None


class Dataset(NamedTuple):
    """A split of 3 samples."""

    source: Source

    def __len__(self) -> int:
        return 3


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """begin(commit) -> the context of one start of a run in tmp_path / "run"."""
    cfg = composed(*OVERRIDES)
    hydra = OmegaConf.create({"overrides": {"task": OVERRIDES}})
    monkeypatch.setattr(HydraConfig, "get", lambda: hydra)
    monkeypatch.setattr(sys, "argv", ["train.py", *OVERRIDES])
    config = OmegaConf.to_container(cfg, resolve=True)

    def start(commit: str = "a" * 40) -> Any:
        monkeypatch.setattr(
            sessions, "provenance", lambda **o: {"commit": commit, "started": 1} | o
        )
        with claim(tmp_path / "run", config):  # the same configuration is accepted every time
            return recorded(cfg, tmp_path / "run")

    return start


def stored(tmp_path: Path) -> dict[str, Any]:
    return read_json(tmp_path / "run" / CONFIG)[PROVENANCE]


def test_every_start_adds_a_session(begin: Callable, tmp_path: Path) -> None:
    with begin("a" * 40):
        assert stored(tmp_path)["ended"] is None  # a killed run leaves it so
    with pytest.raises(KeyboardInterrupt), begin("b" * 40):
        raise KeyboardInterrupt
    with begin("c" * 40):
        block = stored(tmp_path)
    assert list(block) == KEYS
    assert [one["commit"][0] for one in block["sessions"]] == ["a", "b", "c"]
    assert [one["ended"] is None for one in block["sessions"]] == [False, False, True]
    assert stored(tmp_path)["ended"] is not None
    assert block["has_all_sessions"] is True


def test_a_stored_configuration_is_read_without_it(begin: Callable, tmp_path: Path) -> None:
    with begin():
        pass
    assert PROVENANCE in json.loads((tmp_path / "run" / CONFIG).read_text())
    assert PROVENANCE not in read_config(tmp_path / "run")


def test_it_changes_neither_the_configuration_nor_its_comparison(
    begin: Callable, tmp_path: Path
) -> None:
    context = begin()
    before = read_config(tmp_path / "run")
    with context:
        now = json.loads((tmp_path / "run" / CONFIG).read_text())
    assert changes(now, before) == []
    assert changes(before, before | {"seed": 8}) == ["seed: 7 -> 8"]  # it does compare


def test_durations_and_data_add_up_over_sessions(begin: Callable, tmp_path: Path) -> None:
    source = Source("synthetic", "train-12")
    with begin() as session:
        session.uses("pretrain", {"train": Dataset(source), "val": Dataset(Source("mine", None))})
        session.uses("finetune", {})
        session.took({"pretrain_seconds": 10.0, "finetune_seconds": None, "pa_epe_mm": 3.0})
    with begin() as session:
        session.took({"finetune_seconds": 20.0})
        block = session.block(is_over=True)
    assert block["seconds"] == {"pretrain": 10.0, "finetune": 20.0}
    assert block["data"] == {
        "pretrain": {
            "train": {"source": "synthetic", "samples": 3, "fingerprint": "train-12"},
            "val": {"source": "mine", "samples": 3, "fingerprint": None},
        }
    }
    assert stored(tmp_path)["seconds"] == block["seconds"]


def test_a_run_of_an_older_version_says_that_sessions_are_missing(
    begin: Callable, tmp_path: Path
) -> None:
    context = begin()
    (tmp_path / "run" / "checkpoints").mkdir()
    with context as session:
        assert session.block()["has_all_sessions"] is False
    with begin() as session:
        assert session.block()["has_all_sessions"] is False


def test_a_full_disk_at_the_end_does_not_hide_the_error(begin: Callable, tmp_path: Path) -> None:
    def fail() -> None:
        with begin():
            (tmp_path / "run" / CONFIG).unlink()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


def test_the_command_is_as_typed_or_that_of_the_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hydra = OmegaConf.create({"overrides": {"task": OVERRIDES}})
    monkeypatch.setattr(HydraConfig, "get", lambda: hydra)
    monkeypatch.setattr(sys, "argv", ["train.py", *OVERRIDES])
    assert sessions.run_command(tmp_path).endswith("train.py trainer=cpu seed=7")
    for others in (["-m", *OVERRIDES], ["trainer=cpu", "seed=7,8"], []):
        monkeypatch.setattr(sys, "argv", ["train.py", *others])
        assert sessions.run_command(tmp_path).endswith(f"with hydra.run.dir={tmp_path}")


def test_secrets_of_the_environment_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", "not-for-everyone")
    own = sessions.describe_process(composed(), "train.py name=not-for-everyone")
    assert own["command"] == "train.py name=[hidden]"


def test_a_block_of_a_session_that_is_not_over_has_no_end() -> None:
    block = Session({"started": "2026"}, {}, True).block()
    assert (block["started"], block["ended"], block["sessions"][0]["ended"]) == ("2026", None, None)
