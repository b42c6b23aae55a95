"""conf/wandb/sweep.yaml, and the very command that W&B's agent starts for it, offline."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from network_guard import python_path

from handpose.config import check_command_line
from handpose.config.catalogue import CONF, Catalogue
from handpose.sweep.metric import direction_of, metric_problems

FILE = CONF / "wandb" / "sweep.yaml"
CONTENT = yaml.safe_load(FILE.read_text())
SMALL = {
    "trainer": "debug",
    "dataset.image_size": 32,
    "trainer.caps.samples": 16,
    "objective": "none",
    "report": False,
}


def test_it_is_no_group_and_its_metric_is_of_the_validation_split() -> None:
    assert "wandb" not in Catalogue().choices
    metric = CONTENT["metric"]
    test_run = {"evaluate": {"split": "test"}}
    assert metric_problems(metric["name"], [test_run]) == []
    assert metric["goal"] == direction_of(metric["name"])
    assert "${args_no_hyphens}" in CONTENT["command"]


def test_every_value_that_it_suggests_is_taken() -> None:
    for key, own in CONTENT["parameters"].items():
        for value in own.get("values") or [own["min"], own["max"]]:
            check_command_line([f"{key}={value}"])


def test_a_metric_of_the_test_split_is_refused_unless_the_run_never_sees_it() -> None:
    test_run, val_run = ({"evaluate": {"split": split}} for split in ("test", "val"))
    (problem,) = metric_problems("pa_epe_mm", [val_run, test_run])
    assert "must not choose" in problem
    assert metric_problems("pa_epe_mm", [val_run]) == []
    assert "did you mean" in metric_problems("val_pa_epe_m", [val_run])[0].lower()


@pytest.mark.slow
def test_the_agents_command_trains_the_run_that_the_agent_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    from wandb.wandb_agent import Agent

    monkeypatch.chdir(tmp_path)
    folders = [str(CONF.parent), str(Path(sys.executable).parent)]
    monkeypatch.setenv("PYTHONPATH", python_path(folders[0]))
    monkeypatch.setenv("PATH", f"{folders[1]}:{os.environ['PATH']}")  # the agent starts `python`
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SWEEP_ID", "swp12345")
    for name in ("WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH", "WANDB_DIR"):
        monkeypatch.setenv(name, "")  # the agent sets them; they are gone after the test
        monkeypatch.delenv(name)
    agent = Agent(api=None, queue=None, sweep_id="swp12345")
    agent._sweep_command = CONTENT["command"]
    args = {"optimizer.lr": 0.00314, "head": "regression", **SMALL, "paths.cache": str(cache)}
    command: dict[str, Any] = {
        "type": "run",
        "run_id": "run67890",
        "program": CONTENT["program"],
        "args": {key: {"value": value} for key, value in args.items()},
    }
    response = agent._process_command(command)
    assert "exception" not in response, response
    assert agent._run_processes["run67890"].wait(timeout=300) == 0

    run_dir = tmp_path / "runs" / "wandb" / "swp12345" / "run67890"
    results = json.loads((run_dir / "results.json").read_text())
    assert isinstance(results[CONTENT["metric"]["name"]], float)
    config = json.loads((run_dir / "config.json").read_text())
    assert config["finetune"]["optimizer"]["lr"] == 0.00314
    (records,) = tmp_path.rglob("run-run67890.wandb")  # the run that the agent named
    content = records.read_bytes()
    assert b"swp12345" in content
    assert CONTENT["metric"]["name"].encode() in content
