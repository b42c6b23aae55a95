"""The `handpose` command: its list, its mistakes, and the form in which a process was started."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from handpose import cli, invocation

ROOT = Path(__file__).resolve().parents[1]


def test_help_lists_every_application(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed for name in cli.APPLICATIONS)


def test_an_unknown_application_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["trian"])
    assert ended.value.code == 2
    assert "invalid choice: 'trian'" in capsys.readouterr().err


@pytest.mark.parametrize("name", cli.APPLICATIONS)
def test_every_application_has_a_command_and_a_script(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    package = cli._PACKAGES.get(name, name)
    assert callable(importlib.import_module(f"handpose.{package}.command").main)
    assert invocation._script(name) is not None
    if name != "train":  # whose help is Hydra's
        monkeypatch.setattr(sys, "argv", ["handpose", name])
        with pytest.raises(SystemExit) as ended:
            cli.main([name, "--help"])
        assert ended.value.code == 0
        assert f"usage: handpose {name} " in capsys.readouterr().out


def test_nothing_heavy_is_imported_for_help() -> None:
    code = (
        "import sys; from handpose.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: assert not {'torch', 'hydra', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("program", "typed", "for_python"),
    [
        ("/bin/handpose", ["handpose", "train"], ["-m", "handpose", "train"]),
        ("/x/__main__.py", ["python", "-m", "handpose", "train"], ["-m", "handpose", "train"]),
    ],
)
def test_a_process_is_started_again_as_it_was(
    program: str, typed: list[str], for_python: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [program, "train", "seed=1"])
    invocation.enter("train", ["seed=1"])
    assert invocation.typed("train") == typed
    assert invocation.python_arguments("train") == for_python
    assert invocation.command_line("train").endswith("train seed=1")


def test_a_script_is_named_from_where_the_user_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py"])
    monkeypatch.chdir(ROOT)
    assert invocation.typed("train") == ["python", "train.py"]
    assert invocation.typed("doctor") == ["python", "scripts/doctor.py"]
    monkeypatch.chdir(tmp_path)
    assert invocation.typed("train") == ["python", str(ROOT / "train.py")]


def test_without_a_checkout_the_command_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(invocation, "_CLONE", tmp_path)
    monkeypatch.setattr(sys, "argv", ["notebook"])
    assert invocation.typed("train") == ["handpose", "train"]
