"""The command that resumes a run is one that a shell and Hydra read back as it was meant."""

import shlex
import sys
from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from handpose.pipeline.resume import (
    begun_by,
    hydra_quoted,
    nothing_to_resume,
    resumable,
    resume_command,
    resumes_in_same_directory,
    telling_how_to_resume,
)

FOLDERS = ["/runs/1", "/a b", "/a=b,c", "/it's [one]", '/say "x"', "/end\\", "/${now:x}", "/$HOME"]


def hydra_of(
    *task: str, own: tuple[str, ...] = (), folder: str = "/runs/1", mode: str = "RUN"
) -> DictConfig:
    """Hydra's part of a configuration, as far as the command needs it."""
    sources = [
        {"path": "/conf", "schema": "file", "provider": "main"},
        {"path": "/my conf", "schema": "file", "provider": "command-line"},
    ]
    return OmegaConf.create(
        {
            "mode": RunMode[mode],
            "overrides": {"task": list(task), "hydra": [f"hydra.mode={mode}", *own]},
            "job": {"config_name": "config"},
            "runtime": {"output_dir": folder.replace("${", r"\${"), "config_sources": sources[:1]},
            "sweep": {"dir": folder},
        }
    )


def arguments(hydra: DictConfig) -> list[str]:
    """Those that train.py gets from a shell."""
    words = shlex.split(resume_command(hydra))
    assert words[1].endswith("train.py")
    return words[2:]


@pytest.mark.parametrize("folder", FOLDERS)
def test_any_directory_comes_back_as_it_was(folder: str) -> None:
    (last,) = arguments(hydra_of(folder=folder))[-1:]
    value = OverridesParser.create().parse_override(last).value()
    assert OmegaConf.create({"dir": value}).dir == folder


def test_a_directory_without_quotes_does_not() -> None:
    assert hydra_quoted("/a-b_c.d:e/1") == "/a-b_c.d:e/1"
    value = OverridesParser.create().parse_override("k=/a, b").value()
    assert value != "/a, b"


def test_a_run_keeps_its_overrides_and_gets_its_directory() -> None:
    typed = ("hydra.run.dir='runs/${now:%H}'", "hydra/job_logging=none")
    hydra = hydra_of("objective=none", "dataset.root=/a b", "seed=${x}", own=typed)
    assert arguments(hydra) == [
        *("hydra/job_logging=none", "objective=none", "dataset.root=/a b", "seed=${x}"),
        "hydra.run.dir=/runs/1",
    ]


def test_a_sweep_is_finished_by_its_own_command() -> None:
    hydra = hydra_of("seed=1,2", own=("hydra/launcher=joblib",), mode="MULTIRUN")
    expected = ["-m", "hydra/launcher=joblib", "seed=1,2", "hydra.sweep.dir=/runs/1"]
    assert arguments(hydra) == expected


def test_configurations_beside_our_own_are_named() -> None:
    hydra = hydra_of()
    hydra.job.config_name = "mine"
    hydra.runtime.config_sources.append(
        {"path": "/my conf", "schema": "file", "provider": "command-line"}
    )
    hydra.runtime.config_sources.append(
        {"path": "/more", "schema": "file", "provider": "hydra.searchpath in main"}
    )
    assert arguments(hydra)[:5] == [
        *("--config-name", "mine"),
        *("--config-dir", "/my conf"),
        "hydra.searchpath=[file:///more]",
    ]


def test_several_processes_are_started_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("GROUP_WORLD_SIZE", "1")
        patch.setenv("LOCAL_WORLD_SIZE", "2")
        assert resume_command(hydra_of()).startswith("torchrun --nnodes 1 --nproc-per-node 2 ")
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "2")
    command = resume_command(hydra_of())
    assert command.startswith(f"srun --ntasks=4 --ntasks-per-node=2 {sys.orig_argv[0]} ")


@pytest.mark.parametrize(
    ("own", "mode", "expected"),
    [
        ((), "RUN", False),  # the default directory is a new one each time
        (("hydra.run.dir=runs/mine",), "RUN", True),
        (("hydra.run.dir='runs/${now:%H}'",), "RUN", False),
        ((), "MULTIRUN", True),
    ],
)
def test_the_command_as_typed_resumes_only_where_the_directory_is_the_same(
    own: tuple[str, ...], mode: str, expected: bool
) -> None:
    assert resumes_in_same_directory(hydra_of(own=own, mode=mode)) is expected


class RefusedError(RuntimeError):
    """Of no use to resume."""

    resumable = False


@pytest.mark.parametrize(
    ("error", "mode", "times"),
    [
        (SystemExit(143), "RUN", 1),
        (KeyboardInterrupt(), "RUN", 1),
        (OSError(28, "No space left on device"), "RUN", 1),
        (RefusedError(), "RUN", 0),
        (ValueError(), "MULTIRUN", 0),  # the sweep's own process says it
    ],
)
def test_it_is_said_last_however_the_run_ends(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: BaseException,
    mode: str,
    times: int,
) -> None:
    monkeypatch.setattr(HydraConfig, "get", lambda: hydra_of(mode=mode))
    with pytest.raises(type(error)), telling_how_to_resume(), resumable():
        raise error
    assert caplog.text.count("\n\n  ") == times
    with telling_how_to_resume():
        pass  # the run before is over
    assert caplog.text.count("\n\n  ") == times


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_mistake_before_the_first_stage_is_not_to_be_resumed(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    has_begun: bool,
) -> None:
    monkeypatch.setattr(HydraConfig, "get", hydra_of)
    if has_begun:
        (tmp_path / "checkpoints").mkdir()
    with (
        pytest.raises(ValueError, match="no hand"),
        telling_how_to_resume(),
        resumable(),
        nothing_to_resume(tmp_path),
    ):
        raise ValueError("no hand in the test split")
    assert ("To resume" in caplog.text) is has_begun


@pytest.mark.parametrize("text", ["[", "hydra: 3", "hydra: {job: 1, overrides: {task: 1}}"])
def test_what_a_run_keeps_of_its_command_may_be_anything(tmp_path: Path, text: str) -> None:
    assert begun_by(tmp_path) == f"the command that started it, with hydra.run.dir={tmp_path}"
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "hydra.yaml").write_text(text)
    assert begun_by(tmp_path) == f"the command that started it, with hydra.run.dir={tmp_path}"
