"""Checks of backbones: known names, and images of whole patches. Imports neither torch nor timm."""

import math
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from omegaconf import DictConfig

from handpose.config.catalogue import Catalogue
from handpose.config.checks.combinations import Found, stages
from handpose.config.checks.safety import class_value
from handpose.config.content import found_value
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
