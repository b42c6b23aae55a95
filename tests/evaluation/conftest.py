"""Six labelled hands, three of them left."""

from collections.abc import Callable

import numpy as np
import pytest
from torch.utils.data import default_collate

from handpose.augment.views import make_target
from handpose.records import Target


@pytest.fixture
def targets(make_sample: Callable, make_settings: Callable) -> tuple[list, Target]:
    samples = [
        make_sample(np.zeros((120, 160, 3), np.uint8), side=side, seed=seed)
        for seed, side in enumerate(["right", "left", "left", "right", "right", "left"])
    ]
    crops = [
        make_target(
            sample,
            make_settings("rotate", "crop"),
            rng=np.random.default_rng(i),
            size=64,
            reference_bone="index",
            index=i,
        )
        for i, sample in enumerate(samples)
    ]
    return samples, default_collate(crops)
