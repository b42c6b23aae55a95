"""Turn a batch of crops and recipes into the batch that training expects, on the device."""

from typing import Any

from torch import Tensor

from handpose.augment.device.rendering import render_views
from handpose.records import CropBatch


def rendered(batch: CropBatch, resident: Tensor | None) -> Any:
    """Return dict[str, Views] or Target with the images that the recipes make.

    Args:
        batch: on the device.
        resident: (M, P, Q, 3) uint8 crops that lie there already; None: they are in the batch.
    """
    crops = batch.crops
    if resident is not None:
        crops = crops._replace(pixels=resident[crops.place])

    def image(part: str, empty: Tensor) -> Tensor:
        return render_views(crops, batch.recipes[part], empty.shape[-1])

    if isinstance(batch.batch, dict):
        return {
            part: views._replace(image=image(part, views.image))
            for part, views in batch.batch.items()
        }
    return batch.batch._replace(image=image("", batch.batch.image).squeeze(1))
