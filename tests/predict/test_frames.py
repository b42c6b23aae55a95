"""Pictures from files, videos and cameras."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

from handpose.predict.frames import Frame, opened, read_pictures


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_pillow_turns_it(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "turned.png"
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    PIL.Image.fromarray(pixels).save(path, exif=exif)
    with PIL.Image.open(path) as stored:
        expected = np.asarray(PIL.ImageOps.exif_transpose(stored))
    (frame,) = read_pictures([path], ["turned"])
    assert isinstance(frame, Frame)
    assert np.array_equal(frame.image, expected)
    assert np.array_equal(expected, pixels) == (orientation == 1)


def test_a_bad_picture_is_a_reason_between_the_others(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.jpg"
    cv2.imwrite(str(good), np.zeros((20, 20, 3), np.uint8))
    bad.write_bytes(b"\xff\xd8 no picture")
    first, reason, last = read_pictures([good, bad, good], ["a", "b", "c"])
    assert isinstance(first, Frame)
    assert isinstance(last, Frame)
    assert isinstance(reason, ValueError)
    assert str(reason).startswith(f"{bad}: ")
    assert "\n" not in str(reason)


def write_video(path: Path, count: int) -> None:
    """Frames of one brightness each, brighter and brighter."""
    movie = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (64, 48))
    for number in range(count):
        movie.write(np.full((48, 64, 3), 20 * number, np.uint8))
    movie.release()


def test_a_video_gives_its_frames_in_order(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", 6)
    with opened(tmp_path / "clip.mp4") as video:
        frames = list(video.frames)
    assert (video.name, video.total, video.rate) == ("clip.mp4", 6, 10.0)
    assert [frame.number for frame in frames] == list(range(6))
    brightness = [float(frame.image.mean()) for frame in frames]
    assert np.allclose(brightness, 20 * np.arange(6), atol=5)
    with opened(tmp_path / "clip.mp4", limit=2) as video:
        assert (video.total, len(list(video.frames))) == (2, 2)


def test_what_is_no_video_is_refused_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"no video")
    with pytest.raises(ValueError, match="cannot be opened, or gives no frame"), opened(path):
        pass


def test_a_camera_s_frames_are_rgb_and_have_no_known_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class Camera:
        def __init__(self, place: Any) -> None:
            assert place == 3
            self.released = False

        def isOpened(self) -> bool:  # noqa: N802
            return True

        def read(self) -> tuple[bool, np.ndarray]:
            return True, np.full((20, 30, 3), (200, 100, 0), np.uint8)

        def get(self, key: int) -> float:
            return 0.0

        def release(self) -> None:
            self.released = True

    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    with opened(3, limit=4) as camera:
        frames = list(camera.frames)
    assert (camera.name, camera.rate, camera.total) == ("camera:3", 25.0, 4)
    assert len(frames) == 4
    assert tuple(frames[0].image[0, 0]) == (0, 100, 200)
