"""The scripts do what their first line says."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def test_ctrl_c_before_the_run_begins_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(arguments: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("handpose.config.check_command_line", interrupted)
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


def test_root_depth_prints_what_its_runs_found(cache: Path, tmp_path: Path) -> None:
    overrides = ["trainer=debug", "dataset.image_size=32", "objective=none", "report=false"]
    overrides += [f"paths.cache={cache}", f"paths.runs={tmp_path}"]
    command = [sys.executable, str(SCRIPTS / "root_depth.py"), *overrides, "--seeds", "1,2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if "| " in line]
    table = {cells[0]: cells[1:] for cells in rows}
    pairs = []
    for seed in ("1", "2"):
        path = tmp_path / "root_depth" / f"seed-{seed}" / "results.json"
        results = json.loads(path.read_text())
        solved, refined = (results[f"root_depth_error_{d}_mm"] for d in ("solved", "refined"))
        assert table[seed][:3] == [f"{v:.2f}" for v in (solved, refined, refined / solved)]
        assert results["root_depth_error_mm"] == refined
        pairs.append((solved, refined))
    means = [sum(column) / 2 for column in zip(*pairs, strict=True)]
    assert [float(cell) for cell in table["mean"][:2]] == pytest.approx(means, abs=0.01)
