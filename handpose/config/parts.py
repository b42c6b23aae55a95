"""An objective with parts: each draws views of its own, and the run's augmentation does nothing."""

from omegaconf import DictConfig

from handpose.config.catalogue import Catalogue
from handpose.config.values import found_value


def parts_problems(cfg: DictConfig, catalogue: Catalogue) -> list[str]:
    """Where `augment`, which the parts do not read, is not that of conf/augment/none, or no part
    has a weight."""
    parts, given = found_value(cfg, "objective.parts"), found_value(cfg, "pretrain.augment")
    if not isinstance(parts, dict) or not isinstance(given, dict):
        return []
    weights = found_value(cfg, "objective.weights")
    if isinstance(weights, dict) and weights and all(weight == 0 for weight in weights.values()):
        return ["objective.weights: every one is 0, so that nothing is learned; give a part one"]
    none = catalogue.content("augment", "none")
    changed = [key for key in none if given.get(key) != none[key]]
    if not changed:
        return []
    instead = " or ".join(f"objective.parts.{name}.augment.{changed[0]}" for name in parts)
    return [
        f"augment ({', '.join(changed)}): reaches no view, as each part of the objective draws "
        f"its own; leave it out, and set {instead}"
    ]
