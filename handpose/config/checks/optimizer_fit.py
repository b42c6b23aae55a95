"""Checks of optimizers: names of timm, read from its source, and combinations that fail."""

import ast
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from omegaconf import DictConfig

from handpose.config.catalogue import Catalogue
from handpose.config.checks.combinations import Found, stages
from handpose.config.content import found_value
from handpose.messages import did_you_mean, nearest

_TIMM = "handpose.training.timm_optimizer.TimmOptimizer"
_FACTORY = Path("optim") / "_optim_factory.py"
_LOOKAHEAD = "lookahead_"
# Start of a name -> why a run cannot use it.
REFUSED = {
    "adahessian": "it needs second derivatives, which the training step does not compute",
    "bnb": "it needs bitsandbytes and a GPU, and its 8-bit state is not restored exactly",
    "fused": "it needs NVIDIA's apex; optimizer=adamw has a fused kernel of torch",
    "kron": "its preconditioners are not restored exactly, so a resumed run would differ",
}


@cache
def timm_names() -> tuple[str, ...]:
    """Return the names of timm's optimizers without importing it; empty if they are not found."""
    found = find_spec("timm")
    for folder in (found.submodule_search_locations or ()) if found else ():
        if (file := Path(folder) / _FACTORY).is_file():
            return tuple(sorted(set(_declared(ast.parse(file.read_text(encoding="utf-8"))))))
    return ()


def _declared(source: ast.Module) -> Iterator[str]:
    """Yield the names and aliases in the source of timm's registry."""
    for call in ast.walk(source):
        if not isinstance(call, ast.Call):
            continue
        function, value = ast.unparse(call.func).rpartition(".")[2], None
        if function == "register_alias":
            value = call.args[0]
        elif function == "OptimInfo":
            value = next((word.value for word in call.keywords if word.arg == "name"), None)
        if isinstance(value, ast.Constant):
            yield str(value.value)


def refusal(name: str) -> str | None:
    """Return why a run cannot use an optimizer of timm, or None."""
    bare = name.lower().removeprefix(_LOOKAHEAD)
    return next((why for start, why in REFUSED.items() if bare.startswith(start)), None)


def name_of_timm(cfg: DictConfig, _: Catalogue) -> Found:
    """Refuse a name that timm does not have, and optimizers that would break a run."""
    problems = []
    for stage in stages(cfg):
        node = found_value(cfg, f"{stage}.optimizer") or {}
        name = node.get("opt")
        if node.get("_target_") != _TIMM or not isinstance(name, str):
            continue
        if reason := refusal(name):
            problems.append(f"optimizer.opt={name}: {reason}; choose another")
            continue
        known = [known for known in timm_names() if refusal(known) is None]
        if known and name.lower().removeprefix(_LOOKAHEAD) not in known:
            near = did_you_mean(nearest(name.lower(), known)) or f": {', '.join(known)}"
            problems.append(f"optimizer.opt={name}: timm has no such optimizer{near}")
    return list(dict.fromkeys(problems))


def nesterov(cfg: DictConfig, _: Catalogue) -> Found:
    """Refuse Nesterov's momentum without momentum."""
    nodes = (found_value(cfg, f"{stage}.optimizer") or {} for stage in stages(cfg))
    problem = (
        "optimizer.momentum=0: Nesterov needs one above 0; set it, or optimizer.nesterov=false"
    )
    wrong = any(node.get("nesterov") is True and node.get("momentum") == 0 for node in nodes)
    return [problem] if wrong else []
