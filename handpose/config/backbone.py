"""The name of a backbone's model: one of those of its library."""

from omegaconf import DictConfig

from handpose.config.catalogue import Catalogue
from handpose.config.refusal import did_you_mean, nearest
from handpose.config.source import class_value
from handpose.config.values import found_value

# The class attribute of a backbone that has them, read without an import.
_NAMES = "names"


def backbone_problems(cfg: DictConfig, catalogue: Catalogue) -> list[str]:
    """A problem where the backbone's class cannot build a model of that name."""
    target, name = found_value(cfg, "backbone._target_"), found_value(cfg, "backbone.name")
    names = class_value(target, _NAMES)
    if not names or name in names:
        return []
    owners = [c for c in catalogue.choices["backbone"] if c == str(name)]
    instead = f"; choose backbone={name}" if owners else did_you_mean(nearest(str(name), names))
    kind = str(target).rpartition(".")[2]
    return [f"backbone.name={name}: {kind} has {', '.join(names)}{instead}"]
