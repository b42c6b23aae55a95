"""Build the command that resumes a run or a sweep, and print it at the end of the program."""

import logging
import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
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

# Hydra's overrides that the command sets itself.
_OWN = ("hydra.mode=", "hydra.run.dir=", "hydra.sweep.dir=", "hydra.searchpath=")
# Overrides of the start weights, and of the pre-training.
_OF_A_START = ("backbone.weights=", "init_from=")
_OF_PRE_TRAINING = ("objective=", "objective.")
# Characters that Hydra's grammar accepts without quotes.
_PLAIN = re.compile(r"[\w/.:+-]+", re.ASCII)
_LARGEST = 1 << 20  # bytes of hydra.yaml
# Resume command of this process's run, if it ended early.
_unfinished: list[str] = []


def resume_command(hydra: HydraConf) -> str:
    """Return the shell command that resumes a run in its directory, or finishes a sweep.

    Args:
        hydra: Hydra's configuration of the run, or of the process that started the sweep.
    """
    arguments = sweep_arguments(hydra) if _is_sweep(hydra) else run_arguments(hydra)
    return shlex.join([*_program(), *arguments])


def run_arguments(hydra: HydraConf) -> list[str]:
    """Return the arguments that repeat a run, or a cell of a sweep as a single run."""
    own = [] if _is_sweep(hydra) else _of_hydra(_plain(hydra))
    return [*own, *_arguments(_plain(hydra)), _in("hydra.run.dir", hydra.runtime.output_dir)]


def sweep_arguments(hydra: HydraConf) -> list[str]:
    """Return the arguments that repeat a whole sweep, from its driver's configuration."""
    own, place = _of_hydra(_plain(hydra)), _in("hydra.sweep.dir", hydra.sweep.dir)
    return ["-m", *own, *_arguments(_plain(hydra)), place]


def begun_by(run_dir: Path) -> str:
    """Return the command that resumes the run in a directory, from its hydra.yaml."""
    place = _in("hydra.run.dir", run_dir)
    try:
        file = regular(run_dir / ".hydra" / "hydra.yaml", most=_LARGEST)
        arguments = _arguments(yaml.safe_load(file.read_bytes())["hydra"])
    except (OSError, yaml.YAMLError, KeyError, TypeError):  # missing or corrupt
        return f"the command that started it, with {place}"
    return shlex.join([*_program(), *arguments, place])


def further_command(run_dir: Path) -> str:
    """Return this process's command as a new run that fine-tunes the model of `run_dir` further."""
    start = ("objective=none", "backbone.weights=null", _in("init_from", run_dir))
    return _new_run(start, without=(*_OF_A_START, *_OF_PRE_TRAINING))


def further_encoder_command(encoder: Path) -> str:
    """Return this process's command as a new run that pre-trains an encoder's file further."""
    start = ("init_from=null", _in("backbone.weights", encoder))
    return _new_run(start, without=_OF_A_START)


def _new_run(start: Sequence[str], *, without: tuple[str, ...]) -> str:
    kept = [a for a in _arguments(_plain(HydraConfig.get())) if not a.startswith(without)]
    return shlex.join([*_program(), *kept, *start])


def how_to_train_on(*, model: Path | None, encoder: Path | None) -> str:
    """Return the commands that train a finished run further, each on a line of its own.

    Args:
        model: run directory whose model is fine-tuned further; None for no such command.
        encoder: file of the encoder that is pre-trained further; None for no such command.
    """
    if model and _fixes_objective():
        return (
            "An experiment with objective=hybrid cannot be changed to objective=none. To fine-tune "
            "this model further, write the experiment's backbone, head and dataset without "
            f"experiment=, and add {_in('init_from', model)} objective=none"
        )
    asked = [
        ("fine-tune its model", model and further_command(model)),
        ("pre-train its encoder", encoder and further_encoder_command(encoder)),
    ]
    return "\n".join(
        f"To {what} further in a new run with a new learning rate schedule, run\n\n  {command}\n"
        for what, command in asked
        if command
    )


def _fixes_objective() -> bool:
    """Return whether an experiment overrides groups of a hybrid, which Hydra finds only there."""
    choices = HydraConfig.get().runtime.choices
    return bool(choices.get("experiment")) and choices.get("objective") == "hybrid"


def tell_how_to_train_on(*, model: Path | None, encoder: Path | None) -> None:
    """Log how to train a finished run on; no-op in a sweep, whose table follows.

    Args:
        model: see `how_to_train_on`.
        encoder: see `how_to_train_on`.
    """
    if not _is_sweep(HydraConfig.get()) and IN_SWEEP not in os.environ:
        _log.info("%s", how_to_train_on(model=model, encoder=encoder))


def _plain(hydra: Any) -> Any:
    """Convert Hydra's configuration to plain values without resolving interpolations."""
    return OmegaConf.to_container(hydra, resolve=False)


def _in(key: str, folder: Path | str) -> str:
    return f"{key}={hydra_quoted(str(folder))}"


def _arguments(hydra: Any) -> list[str]:
    """Return the configuration's location and the overrides."""
    return [*_config(hydra), *map(str, hydra["overrides"]["task"])]


def _of_hydra(hydra: Any) -> list[str]:
    return [override for override in hydra["overrides"]["hydra"] if not override.startswith(_OWN)]


def _is_sweep(hydra: HydraConf) -> bool:
    return hydra.mode == RunMode.MULTIRUN


def resumes_in_same_directory(hydra: HydraConf) -> bool:
    """Return whether repeating the typed command resumes the run rather than starting a new one."""
    typed = _plain(hydra)["overrides"]["hydra"]
    given = [override for override in typed if override.startswith("hydra.run.dir=")]
    return _is_sweep(hydra) or any("${" not in override for override in given)


def hydra_quoted(text: str) -> str:
    """Quote `text` as a value in Hydra's grammar if needed."""
    if _PLAIN.fullmatch(text):
        return text
    doubled = re.sub(r'(\\+)(?="|$)', r"\1\1", text.replace("${", r"\${"))
    return '"' + doubled.replace('"', r"\"") + '"'


def _program() -> list[str]:
    """Return the command that started this process, with torchrun or srun where it was used."""
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
    """Return the options that locate the configuration, if not conf/config.yaml."""
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
    """Remember the resume command if the run within ends early.

    Exceptions with `resumable = False` are skipped, and so are cells of a sweep, whose driver
    prints the command.
    """
    try:
        yield
    except BaseException as error:
        from handpose.distributed import collectives

        if collectives.is_first() and getattr(error, "resumable", True):
            remember(HydraConfig.get())
        raise


@contextmanager
def nothing_to_resume(run_dir: Path) -> Iterator[None]:
    """Mark a user's mistake (ValueError) as not resumable, unless a stage has begun before."""
    try:
        yield
    except ValueError as error:
        error.resumable = (run_dir / "checkpoints").exists()  # type: ignore[attr-defined]
        raise


def remember(hydra: HydraConf) -> None:
    """Store the resume command of this process's run for `telling_how_to_resume`."""
    if not _is_sweep(hydra) and IN_SWEEP not in os.environ:
        _unfinished.append(resume_command(hydra))


@contextmanager
def telling_how_to_resume() -> Iterator[None]:
    """Print the resume command of an unfinished run as the last output of the program."""
    _unfinished.clear()
    try:
        yield
    finally:
        for command in _unfinished:
            _log.warning("%s", how_to_resume(command))


def how_to_resume(command: str) -> str:
    """Return the message with the command on a separate line, ready to copy."""
    return f"To resume, run\n\n  {command}\n"
