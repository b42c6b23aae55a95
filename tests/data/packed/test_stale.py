"""A pack whose source has changed is not used, also if no annotation has changed."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
from layouts import rendered, write_freihand, write_manifest

from handpose.augment.reach import reach_of
from handpose.data.index.problems import Problem, write_quarantine
from handpose.data.packed.dataset import Packed
from handpose.data.packed.opening import with_pack
from handpose.data.sources.freihand import FreiHand
from handpose.data.sources.manifest import Manifest


@pytest.fixture
def manifest(tmp_path: Path) -> Callable[..., Manifest]:
    """manifest(**settings) -> the training split; its list and folder are written once."""
    write_manifest(tmp_path / "root")

    def make(**settings: object) -> Manifest:
        common = dict(root=str(tmp_path / "root"), cache=str(tmp_path / "cache"), split="train")
        return Manifest(**{**common, "file": "labels.jsonl", "image_size": 32, **settings})

    return make


@pytest.mark.parametrize("pack_format", ["raw", "jpeg"])
def test_images_that_changed_in_place_are_found(
    pack_format: str, manifest: Callable[..., Manifest], make_settings: Callable, tmp_path: Path
) -> None:
    reach, folder = reach_of([make_settings()], 32), tmp_path / "packed"
    options = dict(packed=True, pack_format=pack_format)
    assert isinstance(with_pack(manifest(**options), reach, folder), Packed)
    assert isinstance(with_pack(manifest(**options), reach, folder), Packed)
    path = tmp_path / "root/pictures/3.png"
    before = path.read_bytes()
    cv2.imwrite(str(path), 255 - cv2.imread(str(path)))
    with pytest.raises(ValueError, match=r"image of hand 3 has changed .*handpose pack --delete"):
        with_pack(manifest(**options), reach, folder)
    path.write_bytes(before)
    assert isinstance(with_pack(manifest(**options), reach, folder), Packed)


def test_a_pack_serves_without_the_images(
    manifest: Callable[..., Manifest], make_settings: Callable, tmp_path: Path
) -> None:
    reach, folder = reach_of([make_settings()], 32), tmp_path / "packed"
    source = manifest(packed=True)
    image = reach.crop(source[2]).image
    with_pack(source, reach, folder)
    for path in (tmp_path / "root/pictures").iterdir():
        path.unlink()
    assert np.array_equal(with_pack(source, reach, folder)[2].image, image)


def test_images_read_otherwise_have_another_pack(
    manifest: Callable[..., Manifest], make_settings: Callable, tmp_path: Path
) -> None:
    """A square image that EXIF turns has the same size both ways."""
    path, exif = tmp_path / "root/pictures/1.png", PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(rendered(701, 96).image).save(path, exif=exif)
    reach, folder = reach_of([make_settings()], 32), tmp_path / "packed"
    found = [
        with_pack(manifest(upright=upright, packed=True), reach, folder)
        for upright in (False, True)
    ]
    assert all(isinstance(own, Packed) for own in found)
    assert found[0].fingerprint != found[1].fingerprint
    assert not np.array_equal(found[0][1].image, found[1][1].image)
    for own in found:
        assert np.array_equal(own[1].image, reach.crop(own.whole[1]).image)


def test_a_fixed_image_and_a_newly_broken_one_are_another_source(tmp_path: Path) -> None:
    """As many hands as before, and as many bad files."""
    root, listed = tmp_path / "root", tmp_path / "bad.csv"
    write_freihand(root, annotations=4, versions=2, evaluation=0)
    images = [root / f"training/rgb/{number:08d}.jpg" for number in range(8)]
    content = [image.read_bytes() for image in images]
    write_quarantine(listed, [Problem(f"training/rgb/{n:08d}.jpg", "empty") for n in range(8)])

    def opened(broken: int) -> FreiHand:
        for number, image in enumerate(images):
            image.write_bytes(b"" if number == broken else content[number])
        contract = dict(root=str(root), cache=str(tmp_path / "cache"), split="train")
        return FreiHand(**contract, quarantine=str(listed), val_fraction=0.0, image_size=32)

    first = opened(2)
    keys, fingerprint = first.sample_keys(), first.fingerprint
    second = opened(5)
    assert len(second) == len(keys) == 7
    assert second.sample_keys() != keys
    assert second.fingerprint != fingerprint
    assert opened(2).fingerprint == fingerprint
