"""What a launcher needs that this machine may lack."""

import shutil
from importlib.util import find_spec

from hydra.core.override_parser.types import Override

from handpose.config.overrides import named_choices

GROUP = "hydra/launcher"
# The module of each launcher that is no part of Hydra, and the package that brings it.
_SUBMITIT = ("hydra_plugins.hydra_submitit_launcher", "hydra-submitit-launcher")
_JOBLIB = ("hydra_plugins.hydra_joblib_launcher", "hydra-joblib-launcher")
_NEEDS = {
    "slurm": _SUBMITIT,
    "submitit_slurm": _SUBMITIT,
    "submitit_local": _SUBMITIT,
    "joblib": _JOBLIB,
}


def launcher_problems(override: Override) -> list[str]:
    """Why a launcher cannot start anything here, and what to do."""
    if override.key_or_group != GROUP or override.is_sweep_override():
        return []
    return [problem for name in named_choices(override) if (problem := _problem(name))]


def _problem(name: str) -> str | None:
    module, package = _NEEDS.get(name, (None, None))
    if module and not _is_there(module):
        return (
            f"{GROUP}={name}: needs {package}, which is not installed; "
            'pip install -e ".[sweep]" brings it'
        )
    if name in ("slurm", "submitit_slurm") and shutil.which("sbatch") is None:
        return (
            f"{GROUP}={name}: there is no sbatch on this machine; start it where Slurm is, or "
            f"leave {GROUP} out to run the cells here one after the other, or choose joblib"
        )
    return None


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even hydra_plugins
        return False
