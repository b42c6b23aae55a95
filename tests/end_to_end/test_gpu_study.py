"""scripts/gpu_study.sh: what it packs, the limit of a slice, and what it starts."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "gpu_study.sh"
Slice = Callable[..., tuple[int, str, list[str]]]
# Stands for Python: notes its arguments. A plan has two runs with equal data and one with others.
FAKE_PYTHON = """#!/usr/bin/env bash
echo "$@" >>"$CALLS"
case "$*" in
  *--plan*)
    echo "# 3 runs"
    echo "python train.py dataset=synthetic 'hydra.run.dir=\\${x}/a' seed=5 objective=relative"
    echo "python train.py dataset=synthetic seed=15 objective=relative"
    echo "python train.py objective=none 'finetune.dataset.root=\\${paths.data}/a b' head=heatmap"
    ;;
  *pack.py*) exit "${PACK_FAILS:-0}" ;;
esac
"""


@pytest.fixture
def slice_of(tmp_path: Path) -> Slice:
    """slice_of(**environment) -> the exit code, what was printed, and the calls of Python."""
    python, scripts = tmp_path / "python.sh", tmp_path / "scripts"
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)
    scripts.mkdir()
    (scripts / SCRIPT.name).write_text(SCRIPT.read_text())

    def run(**environment: str) -> tuple[int, str, list[str]]:
        calls = tmp_path / "calls"
        calls.unlink(missing_ok=True)
        own = {"PYTHON": str(python), "CALLS": str(calls), **environment}
        done = subprocess.run(
            ["bash", str(scripts / SCRIPT.name), "lab", "a.b=3"],
            env={**os.environ, **own},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr, calls.read_text().splitlines()

    return run


def test_data_is_packed_once_and_every_slice_ends_before_its_limit(slice_of: Slice) -> None:
    settings = "trainer=gpu trainer.precision=bf16-mixed a.b=3"
    code, text, calls = slice_of(JOBS="4")
    assert code == 0, text
    assert calls[0] == f"scripts/study.py lab --plan --jobs 4 {settings}"
    assert sorted(calls[1:-1]) == [
        "scripts/pack.py dataset=synthetic objective=relative",
        "scripts/pack.py objective=none finetune.dataset.root=${paths.data}/a b",
    ]
    start, _, minutes = calls[-1].partition("--minutes ")
    assert start == "scripts/study.py lab --jobs 4 "
    assert 12 < float(minutes.split()[0]) <= 12.5
    assert minutes.endswith(settings)
    code, text, calls = slice_of(MINUTES="5", TRAINER="cpu")
    assert code == 0, text
    (only,) = calls
    assert "--minutes 3." in only
    assert "trainer=cpu" in only


def test_packing_that_stops_is_done_again(slice_of: Slice) -> None:
    code, text, calls = slice_of(PACK_FAILS="1")
    assert code == 1
    assert "the same command resumes it" in text
    assert len(calls) == 2
    assert slice_of()[0] == 0
