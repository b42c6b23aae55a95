"""Shared fixtures: a random sample, settings of augmentation, and a quiet environment."""

import importlib.util
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import network_guard
import numpy as np
import pytest

network_guard.install()  # before any library is imported
network_guard.begin_record()

ROOT = Path(__file__).resolve().parents[1]
# They begin first, or a core would be left with one of them at the end.
_LONGEST = ("test_every_objective_with_every_head", "test_relative_pre_training", "test_a_new_obj")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first; the others in their order. `-m detector` are those of a model."""
    for item in items:
        if "hand_landmarker" in getattr(item, "fixturenames", ()):
            item.add_marker("detector")
    if [item for item in items if item.get_closest_marker("gpu")]:
        _skip_without_gpu(items)
    items.sort(key=lambda item: not item.name.startswith(_LONGEST))


def _skip_without_gpu(items: list[pytest.Item]) -> None:
    import torch

    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs a CUDA GPU"))


@pytest.fixture(scope="session")
def real_samples() -> Path:
    """A folder with a few real images in the datasets' own layouts, beside the project."""
    folder = Path(os.environ.get("HANDPOSE_REAL_SAMPLES", ROOT.parent / "shared" / "real_samples"))
    if not folder.is_dir():
        pytest.skip(f"no real samples in {folder} (set HANDPOSE_REAL_SAMPLES)")
    return folder


@pytest.fixture(scope="session")
def hand_landmarker() -> Path:
    """The model file of MediaPipe's HandLandmarker, with mediapipe installed."""
    if importlib.util.find_spec("mediapipe") is None:
        pytest.skip('mediapipe is not installed (pip install "handpose[detect]")')
    name = os.environ.get("HANDPOSE_HAND_LANDMARKER")
    if not name:
        pytest.skip("HANDPOSE_HAND_LANDMARKER does not name a hand_landmarker.task")
    return Path(name)


_no_network = pytest.fixture(autouse=True)(network_guard.tried)


@pytest.fixture(autouse=True)
def _same_draws_each_time() -> None:
    """A test that draws from torch's own generator draws the same each time."""
    import torch

    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_handler_is_left() -> Iterator[None]:
    """A command called in this process leaves no log on a stream that ends with its test."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    for handler in root.handlers[:]:
        if type(handler) is logging.StreamHandler and handler not in before:
            root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def make_settings() -> Callable[..., object]:
    """Augmentation from conf/augment/full.yaml, everything off but what is named."""
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    node = OmegaConf.load(ROOT / "conf" / "augment" / "full.yaml")
    switches = {name: False for name, value in node.items() if isinstance(value, bool)}

    def make(*on: str, **ranges: object) -> object:
        chosen = {**switches, **dict.fromkeys(on, True), **ranges}
        return instantiate(OmegaConf.merge(node, chosen), _convert_="all")

    return make


@pytest.fixture
def make_sample() -> Callable[..., object]:
    """A right hand before a camera, with joints that project into the image exactly."""
    from handpose.geometry.camera import project
    from handpose.records import Sample

    def make(image: np.ndarray, *, side: str = "right", seed: int = 0) -> Sample:
        random = np.random.default_rng(seed)
        height, width = image.shape[:2]
        focal = 1.5 * width
        K = np.array([[focal, 0, width / 2 + 3], [0, 1.1 * focal, height / 2 - 2], [0, 0, 1]])
        xyz = random.uniform(-0.08, 0.08, (21, 3)) + np.array([0.01, 0.0, 0.6])
        xyz[5] = xyz[0] + [0.05, -0.07, 0.01]
        return Sample(
            image=image,
            uv=project(K, xyz).astype(np.float32),
            xyz=xyz.astype(np.float32),
            K=K.astype(np.float32),
            uv_valid=np.ones(21, dtype=bool),
            xyz_valid=np.ones(21, dtype=bool),
            box=np.array([0.5 * width, 0.48 * height, 0.6 * width], dtype=np.float32),
            side=side,
            key="test/0#0",
        )

    return make


@pytest.fixture(scope="session")
def two_ranks() -> Iterator[object]:
    """two_ranks(function, *arguments): what two processes on gloo return, by rank."""
    from several_ranks import Ranks

    ranks = Ranks()
    yield ranks
    ranks.pool.shutdown(cancel_futures=True)


@pytest.fixture
def views_of(make_sample: Callable) -> Callable[..., object]:
    """views_of(settings, count, side="right"): pairs of 32 px, as data workers make them."""
    from torch.utils.data import default_collate

    from handpose.augment.views import make_views

    def make(settings: object, count: int = 6, *, side: str = "right") -> object:
        image = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
        return default_collate(
            [
                make_views(
                    make_sample(image, side=side),
                    settings,
                    rng=np.random.default_rng(i),
                    size=32,
                    num_views=2,
                    identity=i,
                    index=i,
                )
                for i in range(count)
            ]
        )

    return make
