"""A scontrol of the tests' own."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """slurm(state, **environment): a scontrol that says so of job 7, and writes down its calls."""

    def make(state: str, **environment: str) -> Path:
        calls = tmp_path / "calls"
        calls.write_text("")
        script = tmp_path / "scontrol"
        script.write_text(
            f'#!/bin/sh\necho "$@" >> {calls}\necho "JobId=7 JobName=x JobState={state} Restarts=0"'
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        for name, value in {"SLURM_JOB_ID": "7", **environment}.items():
            monkeypatch.setenv(name, value)
        return calls

    return make
