"""The decoder that goes from an objective to a heatmap head: as wide there as here."""

from typing import Any

from omegaconf import DictConfig

from handpose.check.values import found_value


def decoder_problems(cfg: DictConfig) -> list[str]:
    """A problem where the head could not go on with the decoder of the objective."""
    width, transferred = (
        found_value(cfg, "head.width"),
        found_value(cfg, "finetune.transfer_decoder"),
    )
    found = _decoder_width(cfg)
    if not isinstance(width, int) or transferred is not True or found is None or found[1] == width:
        return []
    key, own = found
    return [
        f"{key}={own}: the head goes on with that decoder, and head.width={width}; make them "
        "equal, or set finetune.transfer_decoder=false"
    ]


def _decoder_width(cfg: DictConfig) -> tuple[str, int] | None:
    """(key, width) of the objective's last decoder; None where it has none."""
    objective = found_value(cfg, "objective")
    if not isinstance(objective, dict):
        return None
    parts: dict[str, Any] = objective.get("parts") or {}
    nodes = {f"objective.parts.{name}": part for name, part in parts.items()} or {
        "objective": objective
    }
    widths = [
        (f"{key}.decoder_width", node.get("decoder_width"))
        for key, node in nodes.items()
        if "decoder_width" in node
        and (node.get("num_keypoints", 0) or node.get("projection", "embedding") != "embedding")
    ]
    return widths[-1] if widths else None
