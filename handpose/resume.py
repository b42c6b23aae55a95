"""The command that resumes a run or a sweep, and where it is said: last, however the run ends."""

import logging
import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from handpose.processes import OF_A_SWEEP

_log = logging.getLogger(__name__)

TRAIN = Path(__file__).resolve().parents[1] / "train.py"
# Hydra's overrides that the command does not repeat: it says them itself.
_OWN = ("hydra.mode=", "hydra.run.dir=", "hydra.sweep.dir=", "hydra.searchpath=")
# Hydra's grammar takes a text of these letters without quotes.
_PLAIN = re.compile(r"[\w/.:+-]+", re.ASCII)
# Of the run that this process was doing when it ended early.
_unfinished: list[str] = []


def resume_command(hydra: HydraConf) -> str:
    """The shell command that resumes a run in its directory, or finishes a sweep.

    Args:
        hydra: Hydra's part of the configuration: of a live run, of a sweep, or of a run's
            `.hydra/hydra.yaml`.
    """
    arguments = sweep_arguments(hydra) if _is_sweep(hydra) else run_arguments(hydra)
    return shlex.join([*_program(), *arguments])


def run_arguments(hydra: HydraConf) -> list[str]:
    """The command line of a run, or of a cell of a sweep as a run: its overrides, its directory."""
    own = [] if _is_sweep(hydra) else _typed(hydra.overrides.hydra)
    return _arguments(hydra, own, f"hydra.run.dir={hydra_quoted(hydra.runtime.output_dir)}")


def sweep_arguments(hydra: HydraConf) -> list[str]:
    """The command line of a whole sweep, from the configuration of the process that started it."""
    own = _typed(hydra.overrides.hydra)
    return ["-m", *_arguments(hydra, own, f"hydra.sweep.dir={hydra_quoted(hydra.sweep.dir)}")]


def _arguments(hydra: HydraConf, of_hydra: list[str], place: str) -> list[str]:
    kept = [override for override in of_hydra if not override.startswith(_OWN)]
    return [*_config(hydra), *kept, *_typed(hydra.overrides.task), place]


def _is_sweep(hydra: HydraConf) -> bool:
    """Read from a file, the mode is its name."""
    return getattr(hydra.mode, "name", hydra.mode) == RunMode.MULTIRUN.name


def _typed(overrides: Any) -> list[str]:
    """Overrides as they were typed, references left as they are."""
    plain: Any = OmegaConf.to_container(overrides, resolve=False)
    return [str(override) for override in plain]


def begins_in_place(hydra: HydraConf) -> bool:
    """Whether the command line, repeated as it was typed, resumes the run and begins no other."""
    given = [o for o in _typed(hydra.overrides.hydra) if o.startswith("hydra.run.dir=")]
    return _is_sweep(hydra) or any("${" not in override for override in given)


def hydra_quoted(text: str) -> str:
    """`text` as a value in Hydra's grammar, which takes any text in quotes."""
    if _PLAIN.fullmatch(text):
        return text
    doubled = re.sub(r'(\\+)(?="|$)', r"\1\1", text.replace("${", r"\${"))
    return '"' + doubled.replace('"', r"\"") + '"'


def _program() -> list[str]:
    """What train.py was started with; its own helpers count as started by nobody."""
    script = "train.py" if TRAIN.parent == Path.cwd() else str(TRAIN)
    environment = os.environ
    if "GROUP_WORLD_SIZE" in environment:  # torchrun's alone
        nodes, each = environment["GROUP_WORLD_SIZE"], environment["LOCAL_WORLD_SIZE"]
        return ["torchrun", "--nnodes", nodes, "--nproc-per-node", each, script]
    tasks = int(environment.get("SLURM_STEP_NUM_TASKS", 1)) if "RANK" not in environment else 1
    srun = ["srun", f"--ntasks={tasks}"] if tasks > 1 else []
    each_node = environment.get("SLURM_NTASKS_PER_NODE")
    srun += [f"--ntasks-per-node={each_node}"] if srun and each_node else []
    return [*srun, sys.orig_argv[0], script]


def _config(hydra: HydraConf) -> list[str]:
    """Where the configuration is found, if not in conf/config.yaml alone."""
    name = str(hydra.job.config_name)
    sources = [source for source in hydra.runtime.config_sources if source.schema == "file"]
    primary = [source.path for source in sources if source.provider == "command-line"]
    beside = [s.path for s in sources if s.provider not in ("main", "command-line")]
    search = ",".join(hydra_quoted(f"file://{path}") for path in beside)
    return [
        *(["--config-name", name] if name != "config" else []),
        *(["--config-dir", primary[0]] if primary else []),
        *([f"hydra.searchpath=[{search}]"] if beside else []),
    ]


@contextmanager
def resumable() -> Iterator[None]:
    """Around the work of a run: one that ends early, by whatever, can be resumed.

    But for an exception that says `resumable = False`, and in a cell of a sweep, where the process
    that started the sweep tells how it is finished.
    """
    try:
        yield
    except BaseException as error:
        from handpose import ranks  # here: this file serves programs that need no torch

        if ranks.is_first() and getattr(error, "resumable", True):
            remember(HydraConfig.get())
        raise


def remember(hydra: HydraConf) -> None:
    """The run of this process has ended early; `telling_how_to_resume` says its command."""
    if not _is_sweep(hydra) and OF_A_SWEEP not in os.environ:
        _unfinished.append(resume_command(hydra))


@contextmanager
def telling_how_to_resume() -> Iterator[None]:
    """Around the whole program: after its last word comes the command that resumes the run."""
    _unfinished.clear()
    try:
        yield
    finally:
        for command in _unfinished:
            _log.warning("%s", how_to_resume(command))


def how_to_resume(command: str) -> str:
    """A command on a line of its own, to be copied."""
    return f"To resume, run\n\n  {command}\n"
