"""Pictures are read as OpenCV reads them, and what is no whole picture is refused by name."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from handpose.data.images import read_image


@pytest.fixture
def picture() -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 400, (75, 101, 3))
    return np.clip(cv2.GaussianBlur(noise, (0, 0), 3) + 128, 0, 255).astype(np.uint8)


def _jpeg(picture: np.ndarray, mode: str = "RGB", **options: object) -> bytes:
    content = io.BytesIO()
    Image.fromarray(picture).convert(mode).save(content, "JPEG", quality=90, **options)
    return content.getvalue()


def _write(folder: Path, content: bytes, name: str = "hand.jpg") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"progressive": True}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpegs_have_the_pixels_of_opencv(
    picture: np.ndarray, mode: str, options: dict, tmp_path: Path
) -> None:
    path = _write(tmp_path, _jpeg(picture, mode, **options))
    image, expected = read_image(path), cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    assert (image.shape, image.dtype) == ((75, 101, 3), np.uint8)
    assert np.abs(image.astype(int) - expected).max() <= 1


def test_a_png_is_read_whole(picture: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "hand.png"
    cv2.imwrite(str(path), picture[..., ::-1])
    assert np.array_equal(read_image(path), picture)
    _write(tmp_path, path.read_bytes()[:-200], "hand.png")
    with pytest.raises(ValueError, match=r"hand\.png: not an image"):
        read_image(path)


def test_the_orientation_tag_is_ignored(picture: np.ndarray, tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    path = _write(tmp_path, _jpeg(picture, exif=turned.tobytes()))
    assert read_image(path).shape == (75, 101, 3)


def test_pictures_do_not_share_memory(picture: np.ndarray, tmp_path: Path) -> None:
    """A sample is kept while others are read."""
    path = _write(tmp_path, _jpeg(picture))
    first, copy = read_image(path), read_image(path).copy()
    _write(tmp_path, _jpeg(255 - picture))
    assert not np.shares_memory(first, read_image(path))
    assert np.array_equal(first, copy)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("lost", [2, 300, 1200])
def test_a_cut_jpeg_is_refused(picture: np.ndarray, mode: str, lost: int, tmp_path: Path) -> None:
    path = _write(tmp_path, _jpeg(picture, mode)[:-lost])
    with pytest.raises(ValueError, match=r"hand\.jpg: the JPEG is cut short"):
        read_image(path)


def test_bytes_after_the_end_are_no_harm(picture: np.ndarray, tmp_path: Path) -> None:
    path = _write(tmp_path, _jpeg(picture) + bytes(500))
    assert read_image(path).shape == (75, 101, 3)


@pytest.mark.parametrize("content", [b"", b"\xff\xd8", b"\xff\xd8\xff\xd9", b"hello", b"\x89PNG"])
def test_what_is_no_picture_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"hand\.jpg: .*\({len(content)} bytes\)"):
        read_image(_write(tmp_path, content))
    with pytest.raises(ValueError, match=r"nowhere\.jpg: cannot be read"):
        read_image(tmp_path / "nowhere.jpg")


def _png_header(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n\0\0\0\r" + header + struct.pack(">I", zlib.crc32(header))


def test_absurd_sizes_are_refused_before_decoding(picture: np.ndarray, tmp_path: Path) -> None:
    content = bytearray(_jpeg(picture))
    place = content.index(b"\xff\xc0") + 5
    content[place : place + 4] = struct.pack(">HH", 60000, 50000)
    for huge in (bytes(content), _png_header(50000, 60000) + bytes(100)):
        with pytest.raises(ValueError, match="50000 x 60000 px"):
            read_image(_write(tmp_path, huge))
    bitmap = bytearray(cv2.imencode(".bmp", picture)[1].tobytes())
    bitmap[18:26] = struct.pack("<ii", 50000, 60000)
    with pytest.raises(ValueError, match="states too many pixels"):
        read_image(_write(tmp_path, bytes(bitmap)))
