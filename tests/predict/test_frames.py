"""Images from files, videos and cameras, from arrays and PIL images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import torch

from handpose.predict.frames import Frame, as_rgb_images, open_video, read_images


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_pillow_turns_it(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "turned.png"
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    PIL.Image.fromarray(pixels).save(path, exif=exif)
    with PIL.Image.open(path) as stored:
        expected = np.asarray(PIL.ImageOps.exif_transpose(stored))
    (frame,) = read_images([path], ["turned"])
    assert isinstance(frame, Frame)
    assert np.array_equal(frame.image, expected)
    assert np.array_equal(expected, pixels) == (orientation == 1)


def test_a_bad_image_is_a_reason_between_the_others(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.jpg"
    cv2.imwrite(str(good), np.zeros((20, 20, 3), np.uint8))
    bad.write_bytes(b"\xff\xd8 no picture")
    first, reason, last = read_images([good, bad, good], ["a", "b", "c"])
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
    with open_video(tmp_path / "clip.mp4") as video:
        frames = list(video.frames)
    assert (video.total, video.rate) == (6, 10.0)
    assert {frame.source for frame in frames} == {"clip.mp4"}
    assert [frame.number for frame in frames] == list(range(6))
    brightness = [float(frame.image.mean()) for frame in frames]
    assert np.allclose(brightness, 20 * np.arange(6), atol=5)
    with open_video(tmp_path / "clip.mp4", limit=2) as video:
        assert (video.total, len(list(video.frames))) == (2, 2)


def test_what_is_no_video_is_refused_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"no video")
    with pytest.raises(ValueError, match="cannot be opened, or has no frame"), open_video(path):
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
    with open_video(3, limit=4) as camera:
        frames = list(camera.frames)
    assert (camera.rate, camera.total) == (25.0, 4)
    assert {frame.source for frame in frames} == {"camera:3"}
    assert len(frames) == 4
    assert tuple(frames[0].image[0, 0]) == (0, 100, 200)


@pytest.fixture
def pixels() -> np.ndarray:
    """(40, 60, 3) uint8 RGB, no two channels alike."""
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def test_what_is_unambiguous_is_converted(pixels: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    cv2.imwrite(str(path), pixels[..., ::-1])
    same = [pixels, path, str(path), PIL.Image.fromarray(pixels)]
    assert all(np.array_equal(image, pixels) for image in as_rgb_images(same))
    transparent = PIL.Image.fromarray(np.dstack((pixels, pixels[..., 0])))
    assert np.array_equal(as_rgb_images([transparent])[0], pixels), "the colours beneath"
    grey = pixels[..., 0]
    for image in (grey, grey[..., None], PIL.Image.fromarray(grey)):
        assert np.array_equal(as_rgb_images([image])[0], np.dstack((grey,) * 3))
    assert len(as_rgb_images(np.stack((pixels, pixels)))) == 2


def test_a_file_and_a_pil_image_are_turned_upright(pixels: np.ndarray, tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    path = tmp_path / "turned.png"
    PIL.Image.fromarray(pixels).save(path, exif=exif)
    for image in as_rgb_images([path, PIL.Image.open(path)]):
        assert np.array_equal(image, np.rot90(pixels, -1))


REFUSED: dict[str, tuple[Callable[[np.ndarray], Any], str]] = {
    "float in 0..1": (lambda x: (x / 255).astype(np.float32), "float32 array.*0..255"),
    "16 bits": (lambda x: x.astype(np.uint16) * 257, "uint16 array.*0..255"),
    "bool": (lambda x: x > 9, "bool array"),
    "RGBA": (lambda x: np.dstack((x, x[..., 0])), r"\(40, 60, 4\).*alpha"),
    "channels first": (lambda x: x.transpose(2, 0, 1), r"\(3, 40, 60\).*transpose"),
    "torch": (torch.from_numpy, "torch tensor.*permute"),
    "PIL, 16 bits": (lambda x: PIL.Image.fromarray(x[..., 0].astype(np.uint16)), "mode I;16"),
    "PIL, float": (lambda x: PIL.Image.fromarray(x[..., 0].astype(np.float32)), "mode F"),
    "nothing": (lambda x: None, "NoneType"),
    "a list of numbers": (lambda x: x.tolist(), "list"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_ambiguous_is_refused_with_what_to_do(pixels: np.ndarray, kind: str) -> None:
    make, said = REFUSED[kind]
    with pytest.raises(TypeError, match=rf"images\[1\]: .*{said}"):
        as_rgb_images([pixels, make(pixels)])


def test_one_image_is_not_a_list_of_them(
    pixels: np.ndarray, make_hand_pose: Callable, tmp_path: Path
) -> None:
    one = (pixels, PIL.Image.fromarray(pixels), "hand.jpg", Path("hand.jpg"))
    for image in (*one, torch.from_numpy(pixels), 3):
        with pytest.raises(TypeError, match=r"not one .*predict\(\[image\]\)"):
            make_hand_pose().predict(image)
    with pytest.raises(ValueError, match=r"nowhere\.jpg: cannot be read"):
        as_rgb_images([tmp_path / "nowhere.jpg"])


def test_all_kinds_of_one_image_give_one_hand(
    picture: np.ndarray, make_hand_pose: Callable, tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "hand.png"), picture[..., ::-1])
    hands = make_hand_pose().predict([picture, tmp_path / "hand.png", PIL.Image.fromarray(picture)])
    assert all(np.array_equal(hand.uv, hands[0].uv) for hand in hands)
    with pytest.raises(ValueError, match="1 images and 2 given"):
        make_hand_pose().predict([picture], [hands, hands])
