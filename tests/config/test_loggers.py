"""logger=wandb without a login, or with wrong variables, is refused before any work."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handpose.config import check_command_line
from handpose.config.catalogue import CONF
from handpose.config.checks import loggers

Refused = Callable[..., str]
KEY = "0123456789abcdef" * 2 + "01234567"


@pytest.fixture(autouse=True)
def _nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without any of W&B's files and variables, and without a network."""

    def connect(*_: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit):
            check_command_line(list(arguments))
        printed = capsys.readouterr().err
        assert "has 1 problem." in printed
        return printed

    return run


def test_without_a_login_both_ways_out_are_named(refused: Refused) -> None:
    printed = refused("logger=wandb")
    assert "no login for api.wandb.ai" in printed
    assert "`wandb login` or set WANDB_API_KEY, or write logger=wandb_offline" in printed
    assert "[in" not in refused("-m", "logger=wandb", "seed=1,2")
    for arguments in (
        ["logger=wandb_offline"],
        ["logger=csv"],
        ["logger=wandb", "logger.wandb.mode=offline"],
    ):
        check_command_line(arguments)


@pytest.mark.parametrize("mode", ["offline", "disabled", "dryrun"])
def test_a_mode_of_the_environment_needs_none(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", mode)
    check_command_line(["logger=wandb"])


def test_a_key_is_a_login(monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    check_command_line(["logger=wandb"])
    monkeypatch.setenv("WANDB_API_KEY", "short")
    assert "$WANDB_API_KEY: an API key of W&B has 40 characters" in refused("logger=wandb")
    check_command_line(["logger=wandb_offline"])


def netrc_of(folder: Path, host: str) -> None:
    file = folder / ".netrc"
    file.write_text(f"machine {host}\n  login user\n  password {KEY}\n")
    file.chmod(0o600)


def test_netrc_is_a_login_at_its_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    netrc_of(tmp_path, "api.wandb.ai")
    check_command_line(["logger=wandb"])
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert "no login for wandb.example.org" in refused("logger=wandb")
    netrc_of(tmp_path, "wandb.example.org")
    check_command_line(["logger=wandb"])
    (tmp_path / ".netrc").write_text("machine")  # cannot be read
    assert "no login" in refused("logger=wandb")


def test_the_settings_of_files_count(tmp_path: Path, refused: Refused) -> None:
    folder = tmp_path / ".config" / "wandb"
    folder.mkdir(parents=True)
    (folder / "settings").write_text("[default]\nbase_url = https://wandb.example.org\n")
    assert "no login for wandb.example.org" in refused("logger=wandb")
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "settings").write_text("[default]\nmode = offline\n")
    check_command_line(["logger=wandb"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WANDB_RUN_ID", ""),
        ("WANDB_RUN_ID", "a/b"),
        ("WANDB_MODE", "foo"),
        ("WANDB_MODE", ""),
        ("WANDB_BASE_URL", "nowhere"),
        ("WANDB_INIT_TIMEOUT", "soon"),
        ("WANDB_SILENT", "perhaps"),
    ],
)
@pytest.mark.parametrize("logger", ["wandb", "wandb_offline"])
def test_a_malformed_variable_is_named(
    name: str, value: str, logger: str, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    check_command_line(["logger=csv"])
    monkeypatch.setenv(name, value)
    assert f"${name}={value!r}: " in refused(f"logger={logger}")
    check_command_line(["logger=csv"])  # nobody reads it there


def test_a_project_that_wandb_refuses(refused: Refused) -> None:
    printed = refused("logger=wandb_offline", "logger.wandb.project=a/b")
    assert "logger.wandb.project='a/b': Invalid project name" in printed


def test_tensorboard_needs_its_package(monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda name: None if name == "tensorboard" else name)
    for chosen in ("logger=tensorboard", "logger=[wandb_offline,tensorboard]"):
        assert 'run `pip install "handpose[tensorboard]"`' in refused(chosen)
    check_command_line(["logger=wandb_offline"])


def test_a_list_of_loggers_is_checked_as_each_alone(refused: Refused) -> None:
    check_command_line(["logger=[wandb_offline,tensorboard]", "logger.wandb.log_model=true"])
    assert "no login for api.wandb.ai" in refused("logger=[wandb,tensorboard]")
    assert "wandbb: no such choice; did you mean wandb" in refused("logger=[wandbb,tensorboard]")


def test_nothing_is_imported_for_it_elsewhere() -> None:
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['train.py', '--cfg', 'job']\nrunpy.run_path({str(CONF.parent / 'train.py')!r}"
        ", run_name='__main__')\nassert 'wandb' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
