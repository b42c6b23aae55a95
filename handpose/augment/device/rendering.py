"""`render_views`: all views of a batch on a device, from crops and a recipe.

B samples, V views, N crops in slots of P x Q px, S side of a view in px. Nothing is read back from
the device: each shape follows from the recipe's, and each list of rows is in it.
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from handpose.augment.device import appearance, warp
from handpose.augment.noise import noise_bank
from handpose.records import Crops, Recipe

# Px that are worked on at once, by kind of device: few enough for the cache of a CPU, and enough to
# keep a GPU busy. A px takes about 150 bytes while it is made, so these are 10 and 300 MB.
_PX_AT_ONCE = {"cpu": 2**16}
_PX_AT_ONCE_ELSEWHERE = 2**21


def render_views(crops: Crops, recipe: Recipe, size: int) -> Tensor:
    """Renders B x V views: (B, V, 3, S, S) uint8.

    Args:
        crops: N crops with their pixels, on the device.
        recipe: From `make_recipe`, on the device.
        size: S.
    """
    device = crops.pixels.device
    return render(crops, recipe, size, bank_on(device, size) if len(recipe.noisy) else None)


@functools.cache
def bank_on(device: torch.device, size: int) -> Tensor:
    """Returns the bank of noise on a device, where it stays.

    Args:
        device: Of the views.
        size: S.
    """
    return torch.tensor(noise_bank(size), device=device)


@torch.no_grad()
def render(crops: Crops, recipe: Recipe, size: int, bank: Tensor | None) -> Tensor:
    """Renders as `render_views` does, with the bank of noise given.

    Args:
        crops: N crops with their pixels.
        recipe: From `make_recipe`.
        size: S.
        bank: From `bank_on`; None: no view has noise.
    """
    at_once = _PX_AT_ONCE.get(crops.pixels.device.type, _PX_AT_ONCE_ELSEWHERE)
    count = max(1, at_once // (size * size))
    views = _warped(crops, recipe, size, at_once)

    def apply(function: Callable[..., Tensor], rows: Tensor, *columns: Tensor) -> None:
        for part, *own in _parts(count, rows, *columns):
            views.index_copy_(0, part, function(views.index_select(0, part), *own))

    apply(appearance.colour, recipe.coloured, recipe.colour)
    apply(appearance.grey, recipe.grey)
    apply(appearance.blur, recipe.blurred, recipe.kernel)
    if bank is not None:
        add = functools.partial(appearance.noise, bank=bank)
        apply(add, recipe.noisy, recipe.noise, recipe.noise_start, recipe.one_sided)
    apply(appearance.cut_out, recipe.cut_out, recipe.rectangle)
    apply(appearance.sobel, recipe.sobel)
    return views.unflatten(0, tuple(recipe.crop.shape))


def _parts(count: int, rows: Tensor, *columns: Tensor) -> list[tuple[Tensor, ...]]:
    """Rows and what belongs to them, `count` at a time."""
    if not len(rows):
        return []
    return list(zip(*(column.split(count) for column in (rows, *columns)), strict=True))


def _warped(crops: Crops, recipe: Recipe, size: int, at_once: int) -> Tensor:
    """The views (B V, 3, S, S) without their appearance."""
    pixels, sizes = crops.pixels, crops.size
    crop, affine = recipe.crop.flatten(), recipe.affine.flatten(0, 1)
    views = pixels.new_empty((len(crop), 3, size, size))
    for level, rows in enumerate(recipe.levels):
        if level:
            pixels, sizes = _halved(pixels, sizes, at_once), (sizes + 1) >> 1
        packed = warp.pack(pixels)
        for (part,) in _parts(max(1, at_once // (size * size)), rows):
            which = crop[part]
            views.index_copy_(0, part, warp.sample(packed, which, sizes[which], affine[part], size))
    return views


def _halved(pixels: Tensor, sizes: Tensor, at_once: int) -> Tensor:
    count = max(1, at_once // (pixels.shape[1] * pixels.shape[2]))
    parts = zip(pixels.split(count), sizes.split(count), strict=True)
    return torch.cat([warp.halve(*part) for part in parts])
