"""Videos and cameras: every frame once, upright, at its time; what is written plays."""

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from handpose.media.live_camera import open_camera
from handpose.media.video import open_video
from handpose.media.video_writer import VideoWriter


def write_video(path: Path, count: int, rate: Fraction = Fraction(10)) -> None:
    """Frames of one brightness each, brighter and brighter."""
    with VideoWriter(path, rate) as movie:
        for number in range(count):
            movie.write(np.full((48, 64, 3), 20 + 10 * number, np.uint8))


def test_a_video_gives_its_frames_in_order(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", 12)
    with open_video(tmp_path / "clip.mp4") as video:
        frames = list(video.frames)
    assert (video.total, video.rate, video.num_corrupt) == (12, 10, 0)
    assert {frame.source for frame in frames} == {"clip.mp4"}
    assert [frame.number for frame in frames] == list(range(12))
    assert np.allclose([frame.time for frame in frames], np.arange(12) / 10)
    brightness = [float(frame.image.mean()) for frame in frames]
    assert np.allclose(brightness, 20 + 10 * np.arange(12), atol=3)
    with open_video(tmp_path / "clip.mp4", limit=2, name="x/clip.mp4") as video:
        assert video.total == 2
        assert [frame.source for frame in video.frames] == ["x/clip.mp4"] * 2


def test_frames_at_a_distance_in_time(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", 20)

    def read(**options: float) -> tuple[list[Any], int | None]:
        with open_video(tmp_path / "clip.mp4", **options) as video:
            frames = list(video.frames)
        for frame in frames:
            assert frame.image.mean() == pytest.approx(20 + 10 * frame.number, abs=3)
            assert frame.time == pytest.approx(frame.number / 10)
        return [frame.number for frame in frames], video.total

    assert read(every=0.5) == ([0, 5, 10, 15], 4)
    assert read(every=0.24)[0] == [0, 2, 5, 7, 10, 12, 14, 17, 19]


def test_the_colours_and_the_even_part_are_kept(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    coarse = rng.integers(30, 226, (5, 7, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (127, 91), interpolation=cv2.INTER_CUBIC)
    with VideoWriter(tmp_path / "clip.mp4", 25, quality=10) as movie:
        movie.write(image)
        movie.write(image[:50, :60])  # resized to the first
    with open_video(tmp_path / "clip.mp4") as video:
        first, second = (frame.image for frame in video.frames)
    assert first.shape == second.shape == (90, 126, 3)
    assert np.abs(first.astype(int) - image[:90, :126]).mean() < 4


def test_a_written_video_is_one_that_browsers_play(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", 8, Fraction(30000, 1001))
    with av.open(str(tmp_path / "clip.mp4")) as container:
        (stream,) = container.streams
        context = stream.codec_context
        assert (context.name, context.pix_fmt, stream.frames) == ("h264", "yuv420p", 8)
        assert stream.average_rate == Fraction(30000, 1001)
        assert context.colorspace == 6, "BT.601, stated"
    content = (tmp_path / "clip.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat"), "it starts before it is loaded"


def test_time_stamps_of_a_variable_rate_are_kept(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.2, 0.2, 1.5, 1.53]
    with VideoWriter(tmp_path / "clip.mp4", 25) as movie:
        for time in times:
            movie.write(np.zeros((32, 32, 3), np.uint8), time)
    with open_video(tmp_path / "clip.mp4") as video:
        read = [frame.time for frame in video.frames]
    assert np.allclose(read, times, atol=2e-4)
    assert (np.diff(read) > 0).all()


def test_what_was_written_before_an_error_plays(tmp_path: Path) -> None:
    def stop_after_three() -> None:
        with VideoWriter(tmp_path / "clip.mp4", 25) as movie:
            for _ in range(3):
                movie.write(np.zeros((32, 32, 3), np.uint8))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_after_three()
    with open_video(tmp_path / "clip.mp4") as video:
        assert len(list(video.frames)) == 3
    with pytest.raises(OSError, match=r"nowhere/clip\.mp4: cannot be written \(No such file"):
        VideoWriter(tmp_path / "nowhere/clip.mp4", 25).write(np.zeros((32, 32, 3), np.uint8))


@pytest.mark.parametrize("turns", range(4))
def test_a_video_is_turned_as_its_metadata_says(tmp_path: Path, turns: int) -> None:
    path = tmp_path / "clip.mp4"
    image = np.zeros((48, 64, 3), np.uint8)
    image[:16, :16] = 200  # upper left
    with VideoWriter(path, 25) as movie:
        movie.write(image)
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 40  # the matrix of a track header of version 0
    a, b = round(np.cos(turns * np.pi / 2)), round(np.sin(turns * np.pi / 2))
    matrix = struct.pack(">9i", a << 16, b << 16, 0, -b << 16, a << 16, 0, 0, 0, 1 << 30)
    content[place : place + 36] = matrix
    path.write_bytes(content)
    with open_video(path) as video:
        (frame,) = video.frames
    expected = np.rot90(image, -turns).astype(int)  # clockwise
    assert frame.image.shape == expected.shape
    assert np.abs(frame.image - expected).mean() < 5


def write_intra_frames(path: Path) -> None:
    """Ten frames of noise, brighter and brighter, each decoded alone."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"g": "1", "tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(10):
            noise = np.clip(rng.normal(20 + 20 * number, 15, (48, 64, 3)), 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        container.mux(stream.encode(None))


def test_corrupt_packets_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_intra_frames(path)
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    for start, size in packets[2:4]:
        content[start + 8 : start + size] = bytes(size - 8)
    path.write_bytes(content)
    with open_video(path) as video:
        frames = list(video.frames)
    assert video.num_corrupt == 2
    times = [0, 1, 4, 5, 6, 7, 8, 9]
    assert np.allclose([frame.time for frame in frames], np.array(times) / 10)
    assert np.allclose([frame.image.mean() for frame in frames], 20 + 20 * np.array(times), atol=5)


def test_a_cut_video_gives_what_is_left(tmp_path: Path) -> None:
    write_intra_frames(tmp_path / "clip.mkv")
    content = (tmp_path / "clip.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(content[: len(content) // 2])
    with open_video(tmp_path / "cut.mkv") as video:
        assert 2 <= len(list(video.frames)) <= 6


@pytest.mark.parametrize("content", [b"", b"no video", b"RIFF" + bytes(400)])
def test_what_is_no_video_is_refused_in_a_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"clip\.mp4: cannot be opened \(.+\)$"), open_video(path):
        pass


def test_a_sound_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(ValueError, match="has no video stream"), open_video(path):
        pass


def test_a_camera_s_frames_are_rgb_and_have_no_known_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class Camera:
        def __init__(self, place: Any) -> None:
            assert place == 3

        def isOpened(self) -> bool:  # noqa: N802
            return True

        def read(self) -> tuple[bool, np.ndarray]:
            return True, np.full((20, 30, 3), (200, 100, 0), np.uint8)

        def get(self, key: int) -> float:
            return 0.0

        def release(self) -> None:
            released.append(self)

    released: list[Camera] = []
    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    with open_camera(3, limit=4) as camera:
        frames = list(camera.frames)
    assert (camera.rate, camera.total, len(released)) == (25, 4, 1)
    assert {frame.source for frame in frames} == {"camera:3"}
    assert [frame.number for frame in frames] == list(range(4))
    assert (np.diff([frame.time for frame in frames]) >= 0).all()
    assert tuple(frames[0].image[0, 0]) == (0, 100, 200)
