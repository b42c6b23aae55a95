"""Provenance: the code, the versions, the device and the command that produce a result.

It describes and decides nothing: no fingerprint, cache key or comparison of configurations reads
it. Names of files, folders and of the machine stay as they are in it.
"""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from handpose import __version__
from handpose.invocation import command_line

# Distributions whose version is recorded, by the name in the record.
PACKAGES = {
    "torch": "torch",
    "torchvision": "torchvision",
    "timm": "timm",
    "lightning": "pytorch-lightning",
    "lightly": "lightly",
    "numpy": "numpy",
    "opencv": "opencv-python-headless",
    "albumentations": "albumentations",
    "hydra": "hydra-core",
}
_PACKAGE = Path(__file__).resolve().parent
_SOURCES = ("handpose", "conf", "train.py")  # of a checkout: what decides a result
_GIT_SECONDS = 5.0  # a network file system may be slow
# Neither writes to the index nor starts a program that the repository's configuration names.
_GIT = (
    "git",
    "--no-optional-locks",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
)


def provenance(
    *, device: str = "auto", processes: int = 1, command: str | None = None
) -> dict[str, Any]:
    """Describes this process in plain values, for results, reports, weights files and W&B.

    Args:
        device: "cpu", "cuda", or "auto" for a GPU if there is one.
        processes: number of processes of the run.
        command: command line; None for that of a training in this process.

    Returns:
        "commit" (None outside of a git checkout of handpose) and "dirty" (None if unknown),
        "versions" by name, "device" {type, name, count, processes}, "host", "command" and
        "started" (ISO 8601 with the time zone).
    """
    commit, dirty = own_revision()
    return {
        "commit": commit,
        "dirty": dirty,
        "versions": dict(versions()),
        "device": describe_device(device, processes=processes),
        "host": platform.node(),
        "command": command_line("train") if command is None else command,
        "started": now(),
    }


def now() -> str:
    """Returns the time in seconds as ISO 8601 with the time zone."""
    return datetime.now(UTC).astimezone().isoformat(timespec="seconds")


def shareable(block: dict[str, Any]) -> dict[str, Any]:
    """Returns the provenance of a run without names of machines and folders.

    Args:
        block: {"sessions": [...], ...}, see `handpose.pipeline.sessions`.
    """
    kept = {key: value for key, value in block.items() if key != "encoder"}
    named = ("host", "command")
    return kept | {
        "sessions": [
            {key: value for key, value in session.items() if key not in named}
            for session in block.get("sessions", [])
        ]
    }


def own_revision() -> tuple[str | None, bool | None]:
    """Returns the commit of the running code, and whether it had changes; see `revision`."""
    return revision(_PACKAGE.parent)


@cache
def revision(folder: Path) -> tuple[str | None, bool | None]:
    """Returns the commit of a checkout, and whether its sources have uncommitted changes.

    Read once per process, so that it is the state in which the code was imported.

    Args:
        folder: root of the checkout, which has `handpose/` in it.

    Returns:
        (None, None) without git, for a wheel, or if `folder` is only part of another repository.
        The second is None if git takes too long.
    """
    if not (folder / ".git").exists():  # the root of a clone or worktree, and no folder below it
        return None, None
    if _git(folder, "ls-files", "--error-unmatch", f"{_PACKAGE.name}/__init__.py") is None:
        return None, None
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    if not commit:
        return None, None
    changed = _git(folder, "status", "--porcelain", "--ignore-submodules", "--", *_SOURCES)
    return commit, None if changed is None else bool(changed)


def _git(folder: Path, *arguments: str) -> str | None:
    """Returns what git prints; None if it fails, is missing or takes too long."""
    # A hook of git sets GIT_DIR and the like, for its own repository.
    environment = {name: v for name, v in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            [*_GIT, "-C", str(folder), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@cache
def versions() -> dict[str, str | None]:
    """Returns the versions of Python, handpose, its main packages, CUDA and cuDNN.

    A package that is not installed is left out. CUDA and cuDNN are None in a CPU build of torch.
    """
    import torch

    found: dict[str, str | None] = {"handpose": __version__, "python": platform.python_version()}
    for name, distribution in PACKAGES.items():
        try:
            found[name] = version(distribution)
        except PackageNotFoundError:
            continue
    found["torch"] = str(torch.__version__)  # with the build, such as +cu128; of its own class
    cudnn = torch.backends.cudnn.version() if torch.version.cuda else None
    return found | {"cuda": torch.version.cuda, "cudnn": None if cudnn is None else str(cudnn)}


def describe_device(kind: str = "auto", *, processes: int = 1) -> dict[str, Any]:
    """Returns the device in use: {type, name, count, processes}.

    Args:
        kind: "cpu", "cuda", or "auto" for a GPU if there is one.
        processes: number of processes of the run, of which each has one GPU or shares the cores.
    """
    import torch

    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    on_gpu = kind == "cuda" and torch.cuda.is_available()
    name = torch.cuda.get_device_name() if on_gpu else _cpu_name()
    count = processes if on_gpu else _cores()
    return {"type": kind, "name": name, "count": count, "processes": processes}


def _cores() -> int:
    """Returns the number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@cache
def _cpu_name() -> str:
    """Returns the model of the processor, or its architecture where that is unknown."""
    if sys.platform == "linux":
        try:
            lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        except OSError:
            lines = ""
        for line in lines.splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
