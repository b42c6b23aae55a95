"""Read state dicts from weights files without executing code in them."""

import pickle
import re
import shlex
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from handpose.files import LARGEST_WEIGHTS, regular
from handpose.weights.torch_file import refuse_newer

_STATES = ("state_dict", "model", "model_state")
_KEEP_TENSORS = (
    "import sys, torch; "
    "c = torch.load(sys.argv[1], map_location='cpu', weights_only=False); "
    "torch.save({k: v for k, v in c.get('state_dict', c).items() if torch.is_tensor(v)}, "
    "sys.argv[2])"
)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read the state dict of a `torch.save` or `.safetensors` file onto the CPU.

    It is the whole content of the file or, as in checkpoints, its "state_dict" or "model".

    Raises:
        ValueError: the file is missing, truncated, corrupt, of a newer format or not a weights
            file, or holds objects other than tensors and plain values.
    """
    try:
        regular(path, most=LARGEST_WEIGHTS)
        content = load_file(path) if path.suffix == ".safetensors" else _load(path)
    except Exception as error:  # the readers raise many kinds of errors
        if objects := _refused_globals(path, error):
            raise ValueError(_refusal(path, objects)) from None
        raise ValueError(
            f"{path} is not a weights file ({type(error).__name__}: {_gist(error)}).\n"
            "Give a backbone.pt of an earlier run, or a file with a state dict."
        ) from None
    refuse_newer(content, path)
    return _state_dict(content, path)


def read_beside(path: Path) -> dict[str, Any]:
    """Read what a `backbone.pt` has beside the weights; nothing of a file of another project.

    Args:
        path: a file that `read_state_dict` has read.
    """
    content = {} if path.suffix == ".safetensors" else _load(path)
    if not isinstance(content, dict) or not isinstance(content.get("meta"), dict):
        return {}
    return {name: value for name, value in content.items() if name != "state_dict"}


def _load(path: Path) -> Any:
    if zipfile.is_zipfile(path):  # not for old formats; torch does not verify the checksums
        with zipfile.ZipFile(path) as archive:
            if corrupt := archive.testzip():
                raise OSError(f"checksum of {corrupt}: copy or download the file again")
    return torch.load(path, map_location="cpu", weights_only=True)


def _refused_globals(path: Path, error: Exception) -> list[str]:
    """List the globals that a pickle would import; in old formats only the first."""
    if not isinstance(error, pickle.UnpicklingError):
        return []
    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except (ValueError, pickle.UnpicklingError):
        return re.findall(r"GLOBAL ([\w.]+\w)", str(error))[:1]


def _gist(error: Exception) -> str:
    """Return the error without torch's advice to disable the safety check."""
    return str(error).rpartition("WeightsUnpickler error:")[2].split("\n\nCheck")[0].strip()


def _refusal(path: Path, objects: list[str]) -> str:
    return (
        f"{path} is refused: besides tensors it holds {', '.join(objects)}, and loading that may "
        "run code. None was run.\n"
        "If you trust the file, extract its tensors on a machine where it may run code and that "
        "has the packages it was saved with. Then give OUT.pt instead:\n"
        f'  python -c "{_KEEP_TENSORS}" {shlex.quote(str(path))} OUT.pt'
    )


def _state_dict(content: Any, path: Path) -> dict[str, Tensor]:
    state = content
    if isinstance(content, dict):  # the names of others: MAE and ConvNeXt, Hiera
        state = next((content[name] for name in _STATES if name in content), content)
    if not isinstance(state, dict) or not state:
        raise ValueError(f"{path} holds {_describe(content)}, not a state dict. Give one.")
    others = [str(name) for name, value in state.items() if not isinstance(value, Tensor)]
    if others:
        raise ValueError(
            f"{path} holds {_describe(content)}, not a state dict: "
            f'{", ".join(others[:5])} are not tensors. Give a file with {{"state_dict": ...}}.'
        )
    return {str(name): value for name, value in state.items()}


def _describe(content: Any) -> str:
    if not isinstance(content, dict):
        return f"a {type(content).__name__}"
    keys = ", ".join(map(str, list(content)[:5]))
    return f"a dict of {len(content)} keys ({keys})" if content else "an empty dict"
