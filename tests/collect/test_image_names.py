"""Every stored image has a name of its own."""

from itertools import permutations

import numpy as np
import pytest

from handpose.collect.image_names import ImageNames
from handpose.media.frames import Frame

SOURCES = ("a/b.png", "a/b.jpg", "a/b.png.jpg", "a/b.jpg.png", "a/c.png")


@pytest.mark.parametrize("frames", [False, True])
def test_images_whose_names_differ_in_suffixes_alone(frames: bool) -> None:
    image = np.zeros((1, 1, 3), np.uint8)
    for sources in permutations(SOURCES):
        names = ImageNames(sources, frames=frames)
        found = {names.name(Frame(source, None, image), 0) for source in sources}
        assert len(found) == len(sources)
    assert f"{'frames' if frames else 'crops'}/a/c{'' if frames else '-0'}.jpg" in found
