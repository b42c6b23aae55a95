"""Batches of views as the data workers make them."""

from collections.abc import Callable

import numpy as np
import pytest
from torch.utils.data import default_collate

from handpose.augment.views import make_views
from handpose.records import Views


@pytest.fixture
def views_of(make_sample: Callable) -> Callable[..., Views]:
    """views_of(settings, count, side="right"): a batch of pairs of 32 px."""

    def make(settings: object, count: int = 6, *, side: str = "right") -> Views:
        image = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
        return default_collate(
            [
                make_views(
                    make_sample(image, side=side),
                    settings,
                    rng=np.random.default_rng(i),
                    size=32,
                    num_views=2,
                    identity=i,
                    index=i,
                )
                for i in range(count)
            ]
        )

    return make
