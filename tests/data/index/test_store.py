"""An index is made again where the code that decides its content is another."""

from pathlib import Path

import pytest

from handpose import skeleton
from handpose.data import images
from handpose.data.index import store
from handpose.data.sources import folder_images, freihand, interhand
from handpose.geometry import camera


@pytest.mark.parametrize(
    "module", [skeleton, camera, images, interhand, folder_images, store, freihand]
)
def test_it_depends_on_the_code_that_readers_share(module: object) -> None:
    """An order of joints or a camera that was wrong must not live on in what was built."""
    files = store._code_files(Path(freihand.__file__))
    assert Path(str(module.__file__)) in files  # type: ignore[attr-defined]
