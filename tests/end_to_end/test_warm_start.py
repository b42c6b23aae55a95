"""A run that is a fork of a process with the imports done, on the real train.py."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from handpose.study.child_processes import environment, launcher, start_interpreter

SMALL = ("trainer=debug", "dataset.image_size=32", "report=false", "backbone=resnet18_half")
# Of results.json: times, speeds, memory, and what names the process.
OWN = ("_seconds", "_per_second", "_ms", "_percent", "_mib", "provenance")


@pytest.mark.slow
def test_forks_and_new_interpreters_have_the_same_results(cache: Path, tmp_path: Path) -> None:
    settings = [*SMALL, f"paths.cache={cache}", "pretrain.share=false", "objective=contrastive"]
    found: dict[str, dict[str, Any]] = {}
    with launcher(2) as fork:
        for name, launch in {
            "fork": fork,
            "new": partial(start_interpreter, environment(2)),
        }.items():
            output = tmp_path / f"{name}.txt"
            run = launch([*settings, f"hydra.run.dir={tmp_path / name}"], output)
            assert run.wait(300) == 0, output.read_text()[-3000:]
            results = json.loads((tmp_path / name / "results.json").read_text())
            found[name] = {k: v for k, v in results.items() if not k.endswith(OWN)}
            command = (tmp_path / name / ".hydra" / "overrides.yaml").read_text()
            assert "objective=contrastive" in command
    assert found["fork"]["pa_epe_mm"] > 0
    assert found["fork"] == found["new"]
