"""A frame for each interval: the same as a full decoding finds, from any interval on."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from handpose.media.frames import Frame
from handpose.media.sparse_frames import Part, open_part, seconds_of

RATE = 20
COUNT = 90
OPTIONS = {
    "B-frames": {
        "x264-params": "keyint=14:min-keyint=14:bframes=3:b-adapt=0:scenecut=0:open-gop=0"
    },
    "open": {"x264-params": "keyint=14:min-keyint=14:bframes=3:b-adapt=0:scenecut=0:open-gop=1"},
    "no B-frames": {"x264-params": "keyint=9:bframes=0:scenecut=0"},
    "one key frame": {"x264-params": "keyint=500:bframes=2:b-adapt=0:b-pyramid=none:scenecut=0"},
    "key frames only": {"x264-params": "keyint=1:scenecut=0"},
}


def write(path: Path, kind: str, codec: str = "libx264", count: int = COUNT) -> Path:
    """Noise that moves, each frame of another brightness."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 60, (96, 96, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.options = OPTIONS.get(kind, {})
        for number in range(count):
            left = number % 30
            image = texture[:48, left : left + 64] + np.uint8(2 * number % 190)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read(path: Path, every: Any, first: int = 0, last: int = 10**6) -> tuple[list[Frame], Part]:
    with open_part(path, name="clip", every=Fraction(every), first=first, last=last) as part:
        return list(part.frames), part


def slowly(path: Path, every: Fraction) -> Iterator[tuple[Fraction, np.ndarray]]:
    """Decode everything; of each interval take the first key frame, else the first frame."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        origin = stream.start_time or 0
        frames = [
            (
                (frame.pts - origin) * stream.time_base,
                frame.key_frame,
                frame.to_ndarray(format="rgb24"),
            )
            for frame in container.decode(stream)
        ]
    for interval in sorted({time // every for time, _, _ in frames}):
        own = [frame for frame in frames if frame[0] // every == interval]
        time, _, image = next((frame for frame in own if frame[1]), own[0])
        yield time, image


@pytest.mark.parametrize("every", ["1/1000", "1/10", "0.33", "1", "3"])
@pytest.mark.parametrize("kind", OPTIONS)
def test_the_frames_are_those_of_a_full_decoding(kind: str, every: str, tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", kind)
    found, part = read(path, every)
    expected = list(slowly(path, Fraction(every)))
    assert [frame.time for frame in found] == pytest.approx([float(t) for t, _ in expected])
    for frame, (_, image) in zip(found, expected, strict=True):
        assert np.array_equal(frame.image, image)
    assert part.has_ended
    assert (part.num_corrupt, part.error) == (0, "")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".mpg", ".mov"])
@pytest.mark.parametrize("kind", ["B-frames", "one key frame"])
def test_parts_are_the_same_as_the_whole(kind: str, suffix: str, tmp_path: Path) -> None:
    codec = {".mpg": "mpeg2video", ".avi": "mpeg4"}.get(suffix, "libx264")
    path = write(tmp_path / f"clip{suffix}", kind, codec)
    whole, _ = read(path, "0.25")
    assert 17 <= len(whole) <= 19
    joined = []
    for first in range(0, 20, 5):
        frames, part = read(path, "0.25", first, first + 5)
        assert part.has_ended == (first == 15)
        joined += frames
    times = [frame.time for frame in whole]
    if suffix in (".mp4", ".mkv", ".mov"):
        assert [frame.time for frame in joined] == times
        assert all(np.array_equal(a.image, b.image) for a, b in zip(joined, whole, strict=True))
    assert [frame.time for frame in joined] == pytest.approx(times, abs=0.25)


@pytest.mark.parametrize("container", ["mpegts", "mpeg"])
@pytest.mark.parametrize("seconds", [10, 60])
def test_parts_of_mpeg_begin_at_a_key_frame(seconds: int, container: str, tmp_path: Path) -> None:
    """Its containers seek to any packet, and frames without a key frame before are not decoded."""
    gop = str(RATE * seconds)
    codec = {"mpegts": "libx264", "mpeg": "mpeg1video"}[container]
    path = tmp_path / "clip.mpg"
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=25, options={"g": gop, "keyint_min": gop})
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for number in range(25 * 50):
            image = np.full((32, 32, 3), number % 250, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode(None))
    whole, _ = read(path, 1)
    joined = [frame for first in range(0, 50, 12) for frame in read(path, 1, first, first + 12)[0]]
    assert [frame.time for frame in joined] == [frame.time for frame in whole]
    assert len(whole) == 50
    assert all(np.array_equal(a.image, b.image) for a, b in zip(joined, whole, strict=True))


def test_what_is_not_needed_is_not_decoded(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", "B-frames")
    everything, sparse = read(path, "1/1000")[1], read(path, "1.4")[1]
    assert everything.num_decoded == COUNT
    assert sparse.num_decoded < 0.25 * COUNT
    path = write(tmp_path / "long.mp4", "one key frame")
    assert read(path, "1")[1].num_decoded < 0.7 * COUNT, "B-frames are skipped"


def test_a_cut_and_an_overwritten_video_give_what_is_left(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mkv", "no B-frames", count=400)
    whole = [frame.time for frame in read(path, "0.5")[0]]
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    (tmp_path / "cut.mkv").write_bytes(content[:middle])
    cut = [frame.time for frame in read(tmp_path / "cut.mkv", "0.5")[0]]
    assert cut[:-1] == whole[: len(cut) - 1], "the last interval may have lost its key frame"
    assert 0.3 * len(whole) < len(cut) < 0.7 * len(whole)


def test_corrupt_frames_are_counted_and_the_others_given(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", "no B-frames", count=400)
    content = bytearray(path.read_bytes())
    start = len(content) // 3
    content[start : start + 3000] = np.random.default_rng(0).bytes(3000)
    path.write_bytes(content)
    for every, number in (("1/1000", 400), ("0.5", 40)):
        frames, part = read(path, every)
        assert 0.8 * number < len(frames) <= number
        again = read(path, every)[0]
        assert all(np.array_equal(a.image, b.image) for a, b in zip(frames, again, strict=True))
        if number == 400:
            assert 0 < part.num_corrupt < 60


def test_what_is_no_video_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    for path in (tmp_path / "text.mp4", tmp_path / "none.mp4", tmp_path):
        with pytest.raises(ValueError, match=rf"{path}: cannot be opened \("):
            read(path, 1)
        with pytest.raises(ValueError, match="cannot be opened"):
            seconds_of(path)


def test_the_duration_is_that_of_the_file(tmp_path: Path) -> None:
    assert seconds_of(write(tmp_path / "clip.mp4", "open")) == pytest.approx(COUNT / RATE, abs=0.2)
