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

import yaml
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from handpose.distributed.processes import IN_SWEEP
from handpose.files import regular
from handpose.invocation import python_arguments, typed

_log = logging.getLogger(__name__)

# Hydra's overrides that the command does not repeat: it says them itself.
_OWN = ("hydra.mode=", "hydra.run.dir=", "hydra.sweep.dir=", "hydra.searchpath=")
# Overrides that say what a run starts from.
_OF_A_START = ("objective=", "objective.", "backbone.weights=", "init_from=")
# Hydra's grammar takes a text of these characters without quotes.
_PLAIN = re.compile(r"[\w/.:+-]+", re.ASCII)
_LARGEST = 1 << 20  # bytes of what a run keeps of how it was begun
# Of the run that this process was doing when it ended early.
_unfinished: list[str] = []


def resume_command(hydra: HydraConf) -> str:
    """The shell command that resumes a run in its directory, or finishes a sweep.

    Args:
        hydra: Hydra's part of the configuration, of the run or of the process that started a sweep.
    """
    arguments = sweep_arguments(hydra) if _is_sweep(hydra) else run_arguments(hydra)
    return shlex.join([*_program(), *arguments])


def run_arguments(hydra: HydraConf) -> list[str]:
    """The command line of a run, or of a cell of a sweep as a run: its overrides, its directory."""
    own = [] if _is_sweep(hydra) else _of_hydra(_plain(hydra))
    return [*own, *_arguments(_plain(hydra)), _in("hydra.run.dir", hydra.runtime.output_dir)]


def sweep_arguments(hydra: HydraConf) -> list[str]:
    """The command line of a whole sweep, from the configuration of the process that started it."""
    own, place = _of_hydra(_plain(hydra)), _in("hydra.sweep.dir", hydra.sweep.dir)
    return ["-m", *own, *_arguments(_plain(hydra)), place]


def begun_by(run_dir: Path) -> str:
    """The command that resumes the run in a directory, by what it keeps of how it was begun."""
    place = _in("hydra.run.dir", run_dir)
    try:
        file = regular(run_dir / ".hydra" / "hydra.yaml", most=_LARGEST)
        arguments = _arguments(yaml.safe_load(file.read_bytes())["hydra"])
    except (OSError, yaml.YAMLError, KeyError, TypeError):  # gone, or not as it was written
        return f"the command that began it, with {place}"
    return shlex.join([*_program(), *arguments, place])


def further_command(run_dir: Path) -> str:
    """The command of this process, as a new run that starts from the model of `run_dir`."""
    hydra = _plain(HydraConfig.get())
    kept = [argument for argument in _arguments(hydra) if not argument.startswith(_OF_A_START)]
    start = ("objective=none", "backbone.weights=null", _in("init_from", run_dir))
    return shlex.join([*_program(), *kept, *start])


def _plain(hydra: Any) -> Any:
    """Hydra's part of a configuration as it was typed: nothing resolved."""
    return OmegaConf.to_container(hydra, resolve=False)


def _in(key: str, folder: Path | str) -> str:
    return f"{key}={hydra_quoted(str(folder))}"


def _arguments(hydra: Any) -> list[str]:
    """Where the configuration is found, and the overrides."""
    return [*_config(hydra), *map(str, hydra["overrides"]["task"])]


def _of_hydra(hydra: Any) -> list[str]:
    return [override for override in hydra["overrides"]["hydra"] if not override.startswith(_OWN)]


def _is_sweep(hydra: HydraConf) -> bool:
    return hydra.mode == RunMode.MULTIRUN


def resumes_in_same_directory(hydra: HydraConf) -> bool:
    """Whether the command line, repeated as it was typed, resumes the run and begins no other."""
    typed = _plain(hydra)["overrides"]["hydra"]
    given = [override for override in typed if override.startswith("hydra.run.dir=")]
    return _is_sweep(hydra) or any("${" not in override for override in given)


def hydra_quoted(text: str) -> str:
    """`text` as a value in Hydra's grammar, which takes any text in quotes."""
    if _PLAIN.fullmatch(text):
        return text
    doubled = re.sub(r'(\\+)(?="|$)', r"\1\1", text.replace("${", r"\${"))
    return '"' + doubled.replace('"', r"\"") + '"'


def _program() -> list[str]:
    """The words that started this process, with torchrun or srun in front where they did."""
    environment = os.environ
    if "GROUP_WORLD_SIZE" in environment:  # set by torchrun, not by our own launch
        nodes, each = environment["GROUP_WORLD_SIZE"], environment["LOCAL_WORLD_SIZE"]
        launcher = ["torchrun", "--nnodes", nodes, "--nproc-per-node", each]
        return [*launcher, *python_arguments("train")]
    tasks = int(environment.get("SLURM_STEP_NUM_TASKS", 1)) if "RANK" not in environment else 1
    srun = ["srun", f"--ntasks={tasks}"] if tasks > 1 else []
    each_node = environment.get("SLURM_NTASKS_PER_NODE")
    srun += [f"--ntasks-per-node={each_node}"] if srun and each_node else []
    command = typed("train")
    interpreter = sys.orig_argv[0] if command[0] == "python" else command[0]
    return [*srun, interpreter, *command[1:]]


def _config(hydra: Any) -> list[str]:
    """Where the configuration is found, if not in conf/config.yaml alone."""
    name = str(hydra["job"]["config_name"])
    sources = [
        source for source in hydra["runtime"]["config_sources"] if source["schema"] == "file"
    ]
    primary = [source["path"] for source in sources if source["provider"] == "command-line"]
    beside = [s["path"] for s in sources if s["provider"] not in ("main", "command-line")]
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
        from handpose.distributed import collectives

        if collectives.is_first() and getattr(error, "resumable", True):
            remember(HydraConfig.get())
        raise


def remember(hydra: HydraConf) -> None:
    """The run of this process has ended early; `telling_how_to_resume` says its command."""
    if not _is_sweep(hydra) and IN_SWEEP not in os.environ:
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
