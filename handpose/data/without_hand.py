"""Images without a hand, made of a labelled split: what the confidence is fitted against.

Three of five are painted backdrops, one is a hand's own crop with its tiles in another order, and
one is noise. S side of the crop in px.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from handpose.data.base import Strata
from handpose.data.batches import Key
from handpose.data.synthetic.backdrop import paint_backdrop
from handpose.data.targets_dataset import TargetDataset
from handpose.records import Target

_KINDS, _TILES, _NOISE = 5, 3, 4  # the kinds below `_TILES` are backdrops
_TILES_A_SIDE = 4
_LEAST_BLUR, _MOST_BLUR = 0.01, 0.1  # of the side; half of the noise is blurred


class WithoutHand(TargetDataset):
    """(time, place) -> the target of a hand with an image that shows none.

    Args:
        hands: the labelled split; its hands are repeated if there are fewer than images.
        count: number of images.
    """

    def __init__(self, hands: TargetDataset, count: int) -> None:
        super().__init__(
            hands.source,
            hands.augmentation,
            reference_bone=hands.reference_bone,
            seed=hands.seed,
            indices=np.resize(hands.indices, count),
        )

    def __getitems__(self, keys: Sequence[Key]) -> Target:
        batch = super().__getitems__(keys)
        for crop, (_, place) in zip(batch.image.numpy(), keys, strict=True):
            rng = np.random.default_rng((self.seed, place))
            crop[:] = image_without_hand(rng, crop, place % _KINDS)
        return batch

    @property
    def strata(self) -> Strata:
        """One source: the images are read in order."""
        return ((len(self), 1.0),)


def image_without_hand(rng: np.random.Generator, crop: np.ndarray, kind: int) -> np.ndarray:
    """Makes an image without a hand.

    Args:
        rng: source of all randomness.
        crop: (3, S, S) uint8 of a hand.
        kind: 0 to 2 for a backdrop, 3 for the crop in tiles, 4 for noise.

    Returns:
        (3, S, S) uint8.
    """
    size = crop.shape[1]
    if kind == _TILES:
        return _shuffled_tiles(rng, crop)
    if kind == _NOISE:
        image: np.ndarray = rng.uniform(0, 256, (size, size, 3)).astype(np.float32)
        if rng.random() < 0.5:
            image = cv2.GaussianBlur(image, (0, 0), size * rng.uniform(_LEAST_BLUR, _MOST_BLUR))
    else:
        image = paint_backdrop(rng, size)
    return np.ascontiguousarray(image.astype(np.uint8).transpose(2, 0, 1))


def _shuffled_tiles(rng: np.random.Generator, crop: np.ndarray) -> np.ndarray:
    """The crop's own tiles in another order: its colours and edges, and no hand."""
    side, count = crop.shape[1] // _TILES_A_SIDE, _TILES_A_SIDE
    tiles = crop.reshape(3, count, side, count, side).transpose(1, 3, 0, 2, 4)
    mixed = rng.permutation(tiles.reshape(-1, 3, side, side)).reshape(tiles.shape)
    return np.ascontiguousarray(mixed.transpose(2, 0, 3, 1, 4)).reshape(crop.shape)
