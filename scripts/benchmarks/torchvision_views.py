"""The tracked augmentations, as near as torchvision's v2 transforms come to them."""

from benchmarks.images import BOX
from torchvision.transforms import v2

from handpose.augment.settings import Augmentation

FRAME = 224  # px, to which a larger image is first reduced


def view_transform(settings: Augmentation, *, side: int, size: int) -> v2.Compose:
    """Builds the transform of a uint8 image to a uint8 view: one affine map, crop and colours.

    Args:
        settings: ranges of the augmentation.
        side: the shorter side of the images in px.
        size: S, side of a view in px.
    """
    whole = size / (BOX * FRAME)
    low, high = settings.margin_range
    return v2.Compose(
        [
            *([v2.CenterCrop(side), v2.Resize(FRAME, antialias=True)] * (side != FRAME)),
            v2.RandomAffine(
                settings.angle,
                translate=(BOX * settings.shift[1],) * 2,
                scale=(whole / high, whole / low),
                interpolation=v2.InterpolationMode.BILINEAR,
            ),
            v2.CenterCrop(size),
            v2.ColorJitter(
                brightness=settings.gain,
                saturation=settings.saturation,
                hue=tuple(turn / 360 for turn in settings.hue),
            ),
        ]
    )
