"""Views of a device are those of the workers, for the same numbers, in every augmentation."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from blobs import blob_image, centre_of_mass
from device_views import DEVICES, Both, make_both
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from handpose.augment.reach import reach_of
from handpose.augment.settings import Augmentation
from handpose.config.schema import register
from handpose.geometry import affine as maps
from handpose.records import Sample

CONF = Path(__file__).resolve().parents[3] / "conf"
NAMES = sorted(path.stem for path in (CONF / "augment").glob("*.yaml"))
SWITCHES = ("rotate", "crop", "random_crop", "colour_jitter", "colour_drop", "gaussian_blur")
EVERY = (*SWITCHES, "gaussian_noise", "cut_out", "sobel")
SIZE = 64
DRAWS = 1000  # views of each augmentation
# (height, width): smaller and larger than a view, odd, narrow, and large ones that are halved.
SHAPES = [(224, 224), (97, 131), (41, 30), (720, 1280), (701, 479), (16, 400), (333, 500), (64, 64)]


def augmentation(name: str, *on: str) -> Augmentation:
    """conf/augment/NAME.yaml with some switches on."""
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        node = compose("config", [f"augment={name}"]).augment
    return instantiate({**node, **dict.fromkeys(on, True)}, _convert_="all")


def _image(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Structure at every scale, down to the px, in the whole range."""
    coarse = cv2.resize(
        rng.normal(0, 60, (5, 5, 3)), (width, height), interpolation=cv2.INTER_CUBIC
    )
    fine = rng.normal(0, 40, (height, width, 3))
    return np.clip(
        128 + coarse + cv2.GaussianBlur(fine, (0, 0), 1.2) * 2 + fine / 4, 0, 255
    ).astype(np.uint8)


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [_image(rng, *shape) for shape in SHAPES]


def _samples(images: list[np.ndarray], make_sample: Callable, seed: int) -> list[Sample]:
    """Left and right hands, anywhere in their images, with boxes beyond the border as well."""
    rng, samples = np.random.default_rng(seed), []
    for number, image in enumerate(images):
        for side in ("left", "right"):
            sample = make_sample(image, side=side, seed=seed + number)
            centre = rng.uniform(0, 1, 2) * image.shape[1::-1]
            box = np.array([*centre, rng.uniform(0.2, 1.3) * max(image.shape)], np.float32)
            samples.append(sample._replace(box=box))
    return samples


def _made(
    settings: Augmentation,
    images: list[np.ndarray],
    make_sample: Callable,
    device: str,
    draws: int = DRAWS,
) -> list[Both]:
    """Views: some of whole images, halved more often, the others of reach crops."""
    made, rng = [], np.random.default_rng(1)
    for seed in range(-(-draws // (4 * len(images)))):
        samples = _samples(images, make_sample, seed)
        if seed:
            samples = [reach_of([settings], SIZE).crop(sample) for sample in samples]
        made.append(make_both(samples, settings, size=SIZE, rng=rng, device=device))
    return made


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("name", "on"), [*((name, ()) for name in NAMES), ("paper", EVERY)])
def test_views_are_those_of_the_workers(
    name: str, on: tuple, device: str, images: list[np.ndarray], make_sample: Callable
) -> None:
    """Far within the promise: on average 0.5 grey levels apart, 99 % of px at most 2."""
    made = _made(augmentation(name, *on), images, make_sample, device)
    difference = np.abs(
        np.concatenate([both.device.astype(np.int16) - both.workers for both in made])
    )
    assert difference.size >= DRAWS * 3 * SIZE * SIZE
    within = [(difference <= most).mean() for most in range(3)]
    kind = f"{name}, every switch on" if on else name
    print(
        f"{kind}: mean {difference.mean():.1e}, equal, within 1, 2:", *(f"{x:.6f}" for x in within)
    )
    assert difference.mean() < 0.02
    assert within[1] > 0.9995
    assert max(len(both.recipe.levels) for both in made) >= 4


@pytest.mark.parametrize("device", DEVICES)
def test_a_view_between_two_levels_has_that_of_the_workers(
    device: str, images: list[np.ndarray], make_sample: Callable, make_settings: Callable
) -> None:
    """Crops of exactly two px a px of the view: the last bit of a cosine decides the level."""
    settings, rng = make_settings("rotate", margin=1.0, angle=(-180, 180)), np.random.default_rng(0)
    box = np.array([100, 100, 2 * SIZE], np.float32)
    samples = [make_sample(images[0])._replace(box=box)] * 40
    both = make_both(samples, settings, size=SIZE, rng=rng, device=device)
    halved, count = len(both.recipe.levels[1]), both.recipe.crop.size
    assert 0.1 * count < halved < 0.9 * count
    assert np.abs(both.device.astype(int) - both.workers).max() <= 1


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("width", "height"), [(160, 140), (721, 641)])
@pytest.mark.parametrize("side", ["right", "left"])
def test_a_joint_lies_where_the_image_content_went(
    width: int, height: int, side: str, device: str, make_sample: Callable, make_settings: Callable
) -> None:
    """A blob drawn at a joint is found where the drawn map takes the joint: p95 at most 0.02 px."""
    settings, size, samples, joints = make_settings("rotate", "crop", "random_crop"), 128, [], []
    for seed in range(100):
        sample = make_sample(np.zeros((height, width, 3), np.uint8), side=side, seed=seed)
        joints.append(sample.uv[seed % 21].astype(np.float64))
        sample = sample._replace(image=blob_image(width, height, joints[-1], sigma=width / 45))
        samples.append(reach_of([settings], size).crop(sample))
    both = make_both(
        samples, settings, size=size, rng=np.random.default_rng(0), num_views=1, device=device
    )
    moved = np.stack(
        [
            maps.apply(drawn.affines[0], joint[None])[0]
            for drawn, joint in zip(both.drawn, joints, strict=True)
        ]
    )
    seen = ((moved > 22) & (moved < size - 23)).all(axis=1)
    errors = np.abs(centre_of_mass(both.device[seen, 0]) - moved[seen]).max(axis=1)
    assert seen.sum() > 40
    print(f"{side} {width}: p95 {np.percentile(errors, 95):.4f} px")
    assert np.percentile(errors, 95) <= 0.02


@pytest.mark.parametrize("device", DEVICES)
def test_a_view_is_never_darker_at_the_border(
    device: str, images: list[np.ndarray], make_sample: Callable, make_settings: Callable
) -> None:
    """Views far beyond the border of a white image are white; the slot around it is grey."""
    settings = make_settings(
        "rotate", "crop", "random_crop", angle=(-180, 180), margin_range=(1, 3)
    )
    white = [np.full_like(image, 255) for image in images]
    for both in _made(settings, white, make_sample, device, draws=200):
        assert (both.device == 255).all()
