"""Checks of backbones: known names, images of whole patches, objectives that fit.

Imports neither torch nor timm.
"""

import math
import re
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from omegaconf import DictConfig

from handpose.config.catalogue import Catalogue
from handpose.config.checks.combinations import Found, stages
from handpose.config.checks.safety import class_value
from handpose.config.content import found_value
from handpose.config.schema import CONF
from handpose.messages import did_you_mean, nearest

_TIMM = "handpose.backbones.timm_backbone.TimmBackbone"
_REGISTERED = re.compile(r"^@register_model\s+def (\w+)\(", re.MULTILINE)
_PATCH = re.compile(r"_(?:patch|p)(\d+)(?=_|\.|$)")
_SIZES = 32  # of which every image_size is a multiple


@cache
def timm_names() -> tuple[str, ...]:
    """Return the names of timm's models without importing it; empty if they are not found."""
    found = find_spec("timm")
    folders = (found.submodule_search_locations or ()) if found else ()
    files = [file for folder in folders for file in (Path(folder) / "models").glob("*.py")]
    texts = [file.read_text(encoding="utf-8") for file in files]
    return tuple(sorted({name for text in texts for name in _REGISTERED.findall(text)}))


def choice_of(name: str) -> list[str]:
    """Return the overrides that choose the backbone of this name."""
    if (CONF / "backbone" / f"{name}.yaml").is_file():
        return [f"backbone={name}"]
    return ["backbone=timm", f"backbone.name={name}"]


def known_name(cfg: DictConfig, catalogue: Catalogue) -> Found:
    """Refuse a model that the backbone's class cannot build."""
    target, name = found_value(cfg, "backbone._target_"), found_value(cfg, "backbone.name")
    if target == _TIMM:
        return _name_of_timm(str(name))
    names = class_value(target, "names")
    if not names or name in names:
        return []
    is_choice = str(name) in catalogue.choices["backbone"]
    hint = f"; choose backbone={name}" if is_choice else did_you_mean(nearest(str(name), names))
    kind = str(target).rpartition(".")[2]
    return [f"backbone.name={name}: {kind} has {', '.join(names)}{hint}"]


def _name_of_timm(name: str) -> Found:
    """Refuse a name that timm does not have; a tag of weights after a dot is checked by timm."""
    names, bare = timm_names(), name.partition(".")[0]
    if not names or bare in names:
        return []
    hint = did_you_mean(nearest(bare, names))
    see = "; list them with timm.list_models()" if not hint else ""
    return [f"backbone.name={name}: timm has no such model{hint}{see}"]


def whole_patches(cfg: DictConfig, _: Catalogue) -> Found:
    """Refuse images that the patches of a vision transformer do not divide, by its name.

    The backbone itself checks models whose names do not tell their patch size.
    """
    name = str(found_value(cfg, "backbone.name"))
    if found_value(cfg, "backbone._target_") != _TIMM or not (match := _PATCH.search(name)):
        return []
    patch = int(match[1])
    fitting = math.lcm(patch, _SIZES)
    sizes = {
        f"{s}.dataset.image_size": found_value(cfg, f"{s}.dataset.image_size") for s in stages(cfg)
    }
    return [
        f"{key}={size}: is no multiple of {patch}, the patch size of backbone.name={name}; set "
        f"{fitting} or {2 * fitting}, or choose a model with patches of 16"
        for key, size in sizes.items()
        if isinstance(size, int) and size % patch
    ]


def fits_objective(cfg: DictConfig, catalogue: Catalogue) -> Found:
    """Refuse a backbone that a part of the objective does not work with, by its name."""
    name = str(found_value(cfg, "backbone.name"))
    problems = []
    for target in _objectives(cfg) if "pretrain" in stages(cfg) else ():
        fits = _fitting(target)
        if fits(name):
            continue
        choices = catalogue.choices["backbone"]
        named = {choice: str(catalogue.content("backbone", choice)["name"]) for choice in choices}
        fitting = [f"backbone={choice}" for choice in choices if fits(named[choice])]
        prefixes = ", ".join(f"{prefix}*" for prefix in class_value(target, "fits_backbones"))
        problems.append(
            f"objective={target.split('.')[-2]}: does not work with backbone.name={name}; choose "
            f"{' or '.join([*fitting, f'a model of timm among {prefixes}'])}, or another objective"
        )
    return problems


def _objectives(cfg: DictConfig) -> list[str]:
    """Return the classes of the parts that are trained."""
    parts = found_value(cfg, "objective.parts") or {"": found_value(cfg, "objective")}
    weights = found_value(cfg, "objective.weights") or {}
    trained = [part for name, part in parts.items() if weights.get(name) != 0]
    return [str(part["_target_"]) for part in trained if isinstance(part, dict)]


def _fitting(target: str) -> Callable[[str], bool]:
    """Return whether the objective of a class works with a backbone, by its name."""
    prefixes, unfit = (class_value(target, f"{word}_backbones") or () for word in ("fits", "unfit"))
    return lambda name: (
        not prefixes or (name.startswith(prefixes) and not any(part in name for part in unfit))
    )
