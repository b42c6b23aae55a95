"""Models of timm: made for images of given sizes, and what maps they give.

S side of the images in px, C channels, T tokens.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import timm
import torch
from torch import Tensor

from handpose.messages import did_you_mean, first_line, nearest

_FINEST = 4  # px: a level of a finer stride costs more in a decoder than it adds
# Options by which a model takes images of other sizes than it was published for. The last: none.
_FLEXIBLE: tuple[dict[str, Any], ...] = ({"dynamic_img_size": True}, {"strict_img_size": False}, {})


class Level(NamedTuple):
    """A level of the pyramid."""

    place: int | None  # among timm's intermediate maps; None for the last map
    channels: int
    stride: int


class Maps(NamedTuple):
    """The maps of a model."""

    levels: tuple[Level, ...]  # fine -> coarse
    indices: tuple[int, ...]  # of the maps to ask for: those of the levels, and the last
    layout: str  # of the last map: NCHW, NHWC or NLC
    num_prefix: int  # tokens before those of the patches
    embedding_dim: int


def create(name: str, image_sizes: Sequence[int], **options: Any) -> tuple[Any, Maps]:
    """Makes a model without classifier for images of these sizes.

    Args:
        name: Of timm, with a tag of weights or without.
        image_sizes: Different sides in px; () for the size that the model was published for.
        **options: Of `timm.create_model`.

    Raises:
        ValueError: timm has no such model or option, the model gives no feature maps, or it does
            not take images of these sizes.
    """
    network, _ = _flexible(name, options)
    sizes = tuple(image_sizes) or (int(network.pretrained_cfg["input_size"][-1]),)
    try:
        return network, _same_maps(network, name, sizes)
    except ValueError:
        if len(sizes) > 1 or not image_sizes:
            raise
        try:  # a model of one input size, which can be chosen
            network = _created(name, options | {"img_size": sizes[0]})
        except (TypeError, AssertionError, RuntimeError):
            network = None
        if network is None:
            raise
    return network, _same_maps(network, name, sizes)


def flexible_options(name: str) -> dict[str, Any]:
    """Returns the option of `timm.create_model` by which a model takes images of any size."""
    return _flexible(name, {})[1]


def _flexible(name: str, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Makes a model with the first option that it has to take images of any size."""
    _refuse_unknown(name)
    for flexible in _FLEXIBLE:
        try:
            return _created(name, options | flexible), flexible
        except TypeError as error:
            problem = error
    own = ", ".join(f"{key}={value}" for key, value in options.items())
    raise ValueError(f"backbone.name={name}: does not take {own} ({problem}); leave it out")


def _created(name: str, options: dict[str, Any]) -> Any:
    return timm.create_model(name, num_classes=0, **options)


def _refuse_unknown(name: str) -> None:
    """Refuses names and tags that timm does not have, with the nearest that it has."""
    bare, _, tag = name.partition(".")
    if not timm.is_model(bare) or ":" in name:
        hint = did_you_mean(nearest(bare, timm.list_models()))
        raise ValueError(f"backbone.name={name}: timm has no such model{hint}")
    tagged = [known.partition(".")[2] for known in timm.list_pretrained(bare)]
    if tag and tag not in tagged:
        known = f"; it has {', '.join(tagged)}" if tagged else "; leave the tag out"
        raise ValueError(f"backbone.name={name}: timm has no weights {tag} of {bare}{known}")


def _same_maps(network: Any, name: str, sizes: Sequence[int]) -> Maps:
    """Returns the maps, which must be the same for images of all sizes."""
    found = [maps_of(network, name, size) for size in sizes]
    if any(maps != found[0] for maps in found):
        raise ValueError(
            f"backbone.name={name}: has other levels for images of {sizes[0]} px than of "
            f"{sizes[-1]} px; set pretrain.dataset.image_size and finetune.dataset.image_size alike"
        )
    return found[0]


@torch.no_grad()
def maps_of(network: Any, name: str, size: int) -> Maps:
    """Finds out what maps a model gives, by an image of this size.

    Args:
        network: Of timm; its mode and random state do not change.
        name: For errors.
        size: S.
    """
    was_training = network.training
    network.eval()
    try:
        _require_whole_patches(network, size)
        image = next(network.parameters()).new_zeros(1, 3, size, size)
        last, maps = network.forward_intermediates(image)
        if not isinstance(last, Tensor):
            raise ValueError("it gives several last maps, of which none is the last")
        embedding = network.forward_head(last, pre_logits=True).flatten(1)
        return _described(last, maps, size, embedding.shape[1])
    except (AttributeError, AssertionError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(_misfit(network, name, size, first_line(error))) from error
    finally:
        network.train(was_training)


def _require_whole_patches(network: Any, size: int) -> None:
    """Refuses images of which timm would ignore the last rows and columns."""
    patch = getattr(getattr(network, "patch_embed", None), "patch_size", None)
    patch = max(patch) if isinstance(patch, tuple) else patch
    if patch is not None and size % patch:
        raise ValueError(f"{size} is no multiple of its patch size {patch}")


def _described(last: Tensor, maps: list[Tensor], size: int, embedding_dim: int) -> Maps:
    side, channels = maps[-1].shape[-1], maps[-1].shape[1]
    if last.ndim == 3:
        layout, num_prefix, width = "NLC", last.shape[1] - side**2, last.shape[2]
    elif last.shape[1] == last.shape[2] and last.shape[-1] == channels:
        layout, num_prefix, width = "NHWC", 0, channels
    else:
        layout, num_prefix, width, side = "NCHW", 0, last.shape[1], last.shape[-1]
    if num_prefix < 0 or size % side:
        raise ValueError(f"its last map has a side of {side}, which does not divide {size}")
    levels = {
        size // level.shape[-1]: Level(index, level.shape[1], size // level.shape[-1])
        for index, level in enumerate(maps)
        if size % level.shape[-1] == 0
    }
    levels[size // side] = Level(None, width, size // side)
    kept = tuple(levels[stride] for stride in sorted(levels) if stride >= _FINEST)
    read = {level.place for level in kept if level.place is not None} | {len(maps) - 1}
    return Maps(kept, tuple(sorted(read)), layout, num_prefix, embedding_dim)


def _misfit(network: Any, name: str, size: int, reason: str) -> str:
    own = network.pretrained_cfg["input_size"][-1]
    advice = f"set image_size to {own}, its own" if own % 32 == 0 and own != size else "set another"
    return (
        f"backbone.name={name}: gives no features of images of {size} px ({reason}); {advice}, "
        "or choose another model"
    )


def as_nchw(last: Tensor, maps: Maps) -> Tensor:
    """Returns the last map as (N, C, H, W).

    Args:
        last: As the model gives it.
        maps: Of the model.
    """
    if maps.layout == "NHWC":
        return last.permute(0, 3, 1, 2)
    if maps.layout == "NCHW":
        return last
    patches = last[:, maps.num_prefix :]
    side = round(patches.shape[1] ** 0.5)
    return patches.transpose(1, 2).unflatten(2, (side, side))
