"""Nothing but the hand tells how a view was turned: what probes read from views of noise.

The noise is isotropic, so that whatever a probe reads comes from the making of the view: nothing,
but where a view shows the border of its source. Views of the workers and of a device are probed.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from device_views import make_both
from hydra.utils import instantiate
from omegaconf import OmegaConf

from handpose.augment.reach import reach_of
from handpose.augment.settings import Augmentation
from handpose.records import Sample

ROOT = Path(__file__).resolve().parents[2]
SIZE = 32  # px of a view
TRAIN, HELD_OUT = 2000, 800
CELLS = 8  # a probe's features are means over so many cells along each side
SWITCHES = {"rotate": ("rotate",), "all": ("rotate", "crop", "random_crop")}
# The source's side and the box's in px. A box of 0.7 of the source with margins up to 1.5 looks
# beyond its border, one of 0.35 never does.
BEYOND, INSIDE = (48, 0.7 * 48), (96, 0.35 * 96)


class Made(NamedTuple):
    """Views (N, S, S, 3) uint8 of the same noise under the same maps, and their turns."""

    ours: np.ndarray
    on_device: np.ndarray
    zero_filled: np.ndarray
    turn: np.ndarray  # (N, 2): sin and cos


def augmentation(*on: str) -> Augmentation:
    """conf/augment/full.yaml with nothing on but what is named."""
    node = OmegaConf.load(ROOT / "conf" / "augment" / "full.yaml")
    off = {name: False for name, value in node.items() if isinstance(value, bool)}
    return instantiate(OmegaConf.merge(node, off, dict.fromkeys(on, True)), _convert_="all")


def _noise(rng: np.random.Generator, side: int) -> np.ndarray:
    """White noise under an isotropic Gaussian of 2 px, which is smooth enough to be resampled."""
    white = rng.standard_normal((side + 16, side + 16, 3), dtype=np.float32)
    smooth = cv2.GaussianBlur(white, (0, 0), 2.0)[8:-8, 8:-8]
    return np.clip(128 + 45 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def _make(settings: Augmentation, side: int, box: float) -> Made:
    rng, count = np.random.default_rng(0), TRAIN + HELD_OUT
    samples = [_sample(_noise(rng, side), box) for _ in range(count)]
    cropped = [reach_of([settings], SIZE).crop(sample) for sample in samples]
    both = make_both(cropped, settings, size=SIZE, rng=rng, num_views=1)
    zero_filled, turn = np.empty((count, SIZE, SIZE, 3), np.uint8), np.empty((count, 2))
    for i, (sample, drawn) in enumerate(zip(samples, both.drawn, strict=True)):
        (affine,) = drawn.affines
        zero_filled[i] = cv2.warpAffine(
            sample.image, affine, (SIZE, SIZE), borderMode=cv2.BORDER_CONSTANT, borderValue=0
        )
        turn[i] = affine[1::-1, 0] / np.hypot(*affine[:, 0])
    ours, on_device = (views[:, 0].transpose(0, 2, 3, 1) for views in (both.workers, both.device))
    return Made(ours, on_device, zero_filled, turn)


def _sample(image: np.ndarray, box: float) -> Sample:
    none, middle = np.zeros(21, dtype=bool), (len(image) - 1) / 2
    return Sample(
        image=image,
        uv=np.zeros((21, 2)),
        xyz=np.zeros((21, 3)),
        K=np.eye(3),
        uv_valid=none,
        xyz_valid=none,
        box=np.array([middle, middle, box]),
        side="right",
        key="noise#0",
    )


def _cells(maps: np.ndarray) -> np.ndarray:
    """Means over cells of maps (N, S, S, C), and over the whole: (N, C (CELLS^2 + 1))."""
    side = SIZE // CELLS
    cells = maps.reshape(len(maps), CELLS, side, CELLS, side, -1).mean(axis=(2, 4))
    return np.concatenate((cells.reshape(len(maps), -1), maps.mean(axis=(1, 2))), axis=1)


def brightness(views: np.ndarray) -> np.ndarray:
    """Where a view is bright, and where it is black."""
    black = (views == 0).all(axis=3)
    return _cells(np.stack((views.mean(axis=3) / 255, black), axis=3).astype(np.float32))


def gradients(views: np.ndarray) -> np.ndarray:
    """Which way edges run, and where: the structure tensor's angle, twofold and fourfold."""
    dv, du = (2 * slope for slope in np.gradient(views.astype(np.float32) / 255, axis=(1, 2)))
    cos2, sin2, energy = du * du - dv * dv, 2 * du * dv, du * du + dv * dv
    fourfold = (cos2 * cos2 - sin2 * sin2, 2 * cos2 * sin2)
    maps = (cos2, sin2, energy, *(part / (energy + 1e-3) for part in fourfold))
    return _cells(np.stack([part.mean(axis=3) for part in maps], axis=3))


def _read(probe: Callable, views: np.ndarray, turn: np.ndarray) -> float:
    """R^2 on held-out views of sin or cos, the better one, by ridge on a probe's features.

    Its penalty is chosen on a quarter of the training views.
    """
    features = np.concatenate([probe(batch) for batch in np.array_split(views, 50)])
    features = (features - features[:TRAIN].mean(0)) / (features[:TRAIN].std(0) + 1e-6)
    constant = turn[:TRAIN].mean(0)

    def predict(count: int, penalty: float, rows: slice) -> np.ndarray:
        x, y = features[:count], turn[:count] - constant
        weights = np.linalg.solve(x.T @ x + penalty * count * np.eye(x.shape[1]), x.T @ y)
        return features[rows] @ weights + constant

    part, quarter = TRAIN * 3 // 4, slice(TRAIN * 3 // 4, TRAIN)
    penalties = [0.01, 0.1, 1.0, 10.0, 100.0]
    errors = [np.square(predict(part, p, quarter) - turn[quarter]).sum() for p in penalties]
    held_out = slice(TRAIN, None)
    residual = predict(TRAIN, penalties[int(np.argmin(errors))], held_out) - turn[held_out]
    return float((1 - np.square(residual).mean(0) / turn[held_out].var(0)).max())


@pytest.fixture(scope="module", params=list(SWITCHES))
def beyond(request: pytest.FixtureRequest) -> Made:
    """Views that look beyond the border of their source."""
    return _make(augmentation(*SWITCHES[request.param]), *BEYOND)


@pytest.mark.parametrize("switches", list(SWITCHES))
def test_a_view_from_inside_its_source_tells_nothing(switches: str) -> None:
    made = _make(augmentation(*SWITCHES[switches]), *INSIDE)
    assert (made.ours == made.zero_filled).mean() > 0.99  # it does lie inside
    for probe in (brightness, gradients):
        for views in (made.ours, made.on_device):
            assert _read(probe, views, made.turn) <= 0.02


def test_a_zero_filled_border_tells_the_turn_and_ours_not_by_its_brightness(beyond: Made) -> None:
    seen = max(_read(probe, beyond.zero_filled, beyond.turn) for probe in (brightness, gradients))
    assert seen >= 0.5
    for views in (beyond.ours, beyond.on_device):
        assert _read(brightness, views, beyond.turn) <= 0.02


def test_a_mirrored_border_tells_part_of_the_turn_by_its_gradients(beyond: Made) -> None:
    """A limit: no gradient crosses the line that an image is mirrored at, so where a view shows
    that line its edges run along the source's axes. What is read must not grow."""
    of_zero_filled = _read(gradients, beyond.zero_filled, beyond.turn)
    for views in (beyond.ours, beyond.on_device):
        leak = _read(gradients, views, beyond.turn)
        assert leak <= min(0.25, of_zero_filled / 3)


def test_without_its_corners_a_turned_view_tells_nothing() -> None:
    """So the line is all there is: within the disc that every turn leaves inside the source."""
    made = _make(augmentation(*SWITCHES["rotate"]), *BEYOND)
    v, u = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    disc = (np.hypot(u, v) < SIZE / 2 - 1)[..., None]
    for probe in (brightness, gradients):
        for views in (made.ours, made.on_device):
            assert _read(probe, views * disc, made.turn) <= 0.02
