"""The decoder of a heatmap head: it divides the crop, and is as wide as that of the objective."""

from typing import Any

from omegaconf import DictConfig

from handpose.config.values import found_value


def decoder_problems(cfg: DictConfig) -> list[str]:
    """Where the heatmaps do not divide the crop, or the objective's decoder does not fit."""
    return [p for p in (_stride_problem(cfg), _width_problem(cfg)) if p]


def _stride_problem(cfg: DictConfig) -> str | None:
    stride, side = found_value(cfg, "head.stride"), found_value(cfg, "finetune.dataset.image_size")
    if not isinstance(stride, int) or not isinstance(side, int) or side % stride == 0:
        return None
    divisors = [str(n) for n in range(1, 17) if side % n == 0]
    return (
        f"head.stride={stride}: does not divide finetune.dataset.image_size={side}; "
        f"give {' or '.join(divisors)}"
    )


def _width_problem(cfg: DictConfig) -> str | None:
    """A head that could not take the decoder of the objective."""
    width, transferred = (
        found_value(cfg, "head.width"),
        found_value(cfg, "finetune.transfer_decoder"),
    )
    found = _decoder_width(cfg)
    if not isinstance(width, int) or transferred is not True or found is None or found[1] == width:
        return None
    key, own = found
    return (
        f"{key}={own}: the head takes over that decoder, and head.width={width}; make them "
        "equal, or set finetune.transfer_decoder=false"
    )


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
