"""How this process was started: by `handpose NAME`, or by a script of a clone.

Messages and restarted processes use the form that the user typed.
"""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

_CLONE = Path(__file__).resolve().parents[1]
_COMMAND, _MODULE = "handpose", "python -m handpose"


def enter(application: str, arguments: Sequence[str]) -> None:
    """Makes `sys.argv` that of an application of the `handpose` command.

    argparse and Hydra read their name and arguments there.

    Args:
        application: "train", "predict", ...
        arguments: what follows it on the command line.
    """
    is_module = Path(sys.argv[0]).name == "__main__.py"
    sys.argv = [f"{_MODULE if is_module else _COMMAND} {application}", *arguments]


def typed(application: str) -> list[str]:
    """The words that start an application in the form that started this process."""
    for form in (_COMMAND, _MODULE):
        if sys.argv[0].startswith(f"{form} "):
            return [*form.split(), application]
    script = _script(application)
    if script is None:
        return [_COMMAND, application]
    is_here = Path.cwd() == _CLONE
    return ["python", str(script.relative_to(_CLONE) if is_here else script)]


def command_line(application: str) -> str:
    """The command of this process, as a shell takes it."""
    return shlex.join([*typed(application), *sys.argv[1:]])


def python_arguments(application: str) -> list[str]:
    """What a Python interpreter is given to start an application in that form."""
    words = typed(application)
    return words[1:] if words[0] == "python" else ["-m", *words]


def _script(application: str) -> Path | None:
    """The script of a clone; None in an installed wheel."""
    name = "train.py" if application == "train" else f"scripts/{application}.py"
    return _CLONE / name if (_CLONE / name).is_file() else None
