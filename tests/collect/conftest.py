"""A video of hands that the detector of `wild_video` knows."""

from collections.abc import Callable
from pathlib import Path

import pytest
import wild_video

from handpose.collect.command import main


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of video, with a key frame at each scene and each new hand, or fewer."""
    path = tmp_path_factory.mktemp("wild") / "clip.mp4"
    wild_video.write_wild_video(path, seconds=60.0)
    return path


@pytest.fixture
def collect() -> Callable[..., None]:
    """collect(input, out, *options): as the command does it."""

    def run(given: Path | str, out: Path, *options: str, model: str = "wild_video:detect") -> None:
        main([str(given), str(out), "--model", model, *map(str, options)])

    return run
