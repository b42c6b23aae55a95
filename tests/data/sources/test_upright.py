"""Images that EXIF turns: a manifest says what its labels are in px of, official layouts warn."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from layouts import rendered, save_picture, write_manifest, write_mpii
from reading import Reader

from handpose.data.images import is_turned, read_image


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def turn(path: Path, size: int = 96) -> None:
    """Another picture of the same file, on its side, as its EXIF says."""
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    image = np.zeros((size, size // 2, 3), np.uint8)
    PIL.Image.fromarray(image).save(path, exif=exif)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_exif_is_seen(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    turn(path)
    assert is_turned(path)
    save_picture(path, rendered(0, 96).image)
    assert not is_turned(path)


def test_a_tiff_is_not_read_as_stored_where_opencv_would_turn_it(tmp_path: Path) -> None:
    turn(tmp_path / "a.tiff")
    assert read_image(tmp_path / "a.tiff", upright=True).shape[:2] == (48, 96)
    with pytest.raises(ValueError, match=r"a\.tiff: OpenCV turns a TIFF"):
        read_image(tmp_path / "a.tiff")


def test_an_image_that_exif_turns_is_refused_until_labels_say_which(
    reader: Reader, tmp_path: Path
) -> None:
    write_manifest(tmp_path / "manifest")
    turn(tmp_path / "manifest/pictures/1.png")
    turn(tmp_path / "manifest/pictures/7.png")
    refusal = reader.refusal("manifest", "dataset.val_fraction=0.01")
    assert "pictures/1.png: EXIF turns 2 images, the first pictures/1.png" in refusal
    assert "dataset.upright=false (as stored) or dataset.upright=true (as shown)" in refusal
    shapes = {
        choice: reader.open("manifest", f"dataset.upright={choice}", "dataset.val_fraction=0.01")[
            1
        ].image.shape[:2]
        for choice in ("true", "false")
    }
    assert shapes == {"true": (48, 96), "false": (96, 48)}


def test_a_warning_where_an_official_layout_has_images_that_exif_turns(
    reader: Reader, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_mpii(tmp_path / "mpii")
    name = "hand_labels/manual_train/000000500_01_r.jpg"
    picture = PIL.Image.open(tmp_path / "mpii" / name)
    exif = PIL.Image.Exif()
    exif[0x0112] = 3
    picture.save(tmp_path / "mpii" / name, exif=exif)
    reader.open("mpii", "dataset.val_fraction=0.2")
    text = f"EXIF turns 1 image, the first {name}; labels are taken in px of the file as stored"
    assert text in caplog.text
