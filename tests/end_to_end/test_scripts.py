"""The scripts do what their first line says."""

import runpy
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def test_ctrl_c_before_the_run_begins_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(arguments: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("handpose.pipeline.command.check_command_line", interrupted)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPTS.parent / "train.py"), run_name="__main__")
    assert ended.value.code == 130
    assert capsys.readouterr().err == "Interrupted.\n"


@pytest.mark.parametrize(("script", "missing"), [("evaluate", "RUN"), ("study", "STUDY")])
def test_what_a_script_cannot_do_without_is_named_alone(
    script: str, missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """argparse counts KEY=VALUE ... without a default among what is required."""
    monkeypatch.setattr(sys, "argv", [script])
    with pytest.raises(SystemExit):
        runpy.run_path(str(SCRIPTS / f"{script}.py"), run_name="__main__")
    assert capsys.readouterr().err.endswith(f"are required: {missing}\n")
