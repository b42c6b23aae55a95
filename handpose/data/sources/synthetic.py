"""Synthetic hands, rendered once into the cache; equal settings give equal images on any machine.

Sample i of a split depends only on (seed, domain, split, i). So splits are disjoint, and a longer
split starts with the hands of a shorter one.
"""

import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from handpose.data.base import NO_PIXELS, SPLITS, HandDataset, Joints, Split
from handpose.data.cache import ArrayFolder, ensure_built, find_corruption, writing
from handpose.data.synthetic import render
from handpose.data.synthetic.domain import DOMAINS, SIMPLE
from handpose.data.synthetic.person import subject
from handpose.data.synthetic.render import RenderedHand, render_hand
from handpose.data.synthetic.surface import MARKINGS_SHAPE
from handpose.data.workers import leaving_signals_to_the_run
from handpose.distributed.processes import num_cores
from handpose.progress import track
from handpose.records import Crop, Sample
from handpose.skeleton import NUM_JOINTS

_CHUNK = 32  # hands that a worker renders at a time
_LEAST_FOR_WORKERS = 225  # hands; fewer are rendered in this process
_BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


class Synthetic(HandDataset):
    """Rendered hands with complete labels.

    Args:
        root: folder of all renders (`${paths.cache}/synthetic`).
        domain: "simple", "lab" or "wild" (see `handpose.data.synthetic.domain`).
        num_train: number of hands of the training split.
        num_val: of the validation split.
        num_test: of the test split.
        render_size: side of the rendered images in px.
        orientation: "frontal", "upright" or "any" (see `handpose.data.synthetic.render`).
        seed: of the renders, not of the run.
        image_size: S, the side in px of the crops to be made.
        **contract: arguments of `HandDataset`.
    """

    name = "synthetic"
    terms = "rendered by this program, under its own licence (MIT)"

    def __init__(
        self,
        *,
        root: str,
        domain: str = "simple",
        num_train: int = 2000,
        num_val: int = 256,
        num_test: int = 500,
        render_size: int = 96,
        orientation: str = "frontal",
        seed: int = 0,
        image_size: int = 64,
        **contract: Any,
    ) -> None:
        super().__init__(image_size=image_size, **contract)
        counts = {"train": num_train, "val": num_val, "test": num_test}
        count = min(counts[self.split], self.max_samples or counts[self.split])
        if count < 1:
            raise ValueError(f"dataset.num_{self.split}={count}: at least one hand is needed")
        if domain not in DOMAINS:
            raise ValueError(f"dataset.domain={domain!r}: choose one of {', '.join(DOMAINS)}")
        settings = dict(count=count, size=render_size, orientation=orientation, seed=seed)
        self._domain = DOMAINS[domain]
        if self._domain is not SIMPLE:  # the key of older renders has no domain
            settings["domain"] = domain
        self._hands = rendered(Path(root), self.split, **settings)

    def __len__(self) -> int:
        return len(self._hands["image"])

    def __getitem__(self, index: int) -> Sample:
        return Synthetic.with_pixels(self, index, self._labelled(index))

    def with_pixels(self, index: int, sample: Sample) -> Sample:
        return sample._replace(image=np.array(self._hands["image"][index]), crop=None)

    def without_pixels(self, index: int) -> Sample:
        return self._labelled(index)

    def _labelled(self, index: int) -> Sample:
        """Return a hand without pixels."""
        hand = {
            name: np.array(array[index]) for name, array in self._hands.items() if name != "image"
        }
        height, width = self._hands["image"].shape[1:3]
        is_left, box = hand.pop("is_left"), hand.pop("box")
        valid = np.ones(NUM_JOINTS, dtype=bool)
        return Sample(
            **hand,
            image=NO_PIXELS,
            crop=Crop(np.eye(2, 3), width, height),
            uv_valid=valid,
            xyz_valid=valid,
            box=self.choose_box(box, hand["uv"], valid),
            side="left" if is_left else "right",
            key=self._key(index),
        )

    @property
    def identities(self) -> np.ndarray:
        return np.arange(len(self))

    @property
    def capture_groups(self) -> np.ndarray:
        pool = self._domain.subjects[SPLITS.index(self.split)]
        return _subject_number(self.identities, pool) if pool else self.identities

    @property
    def fingerprint(self) -> str:
        return self._hands.folder.name

    def _key(self, index: int) -> str:
        domain = "" if self._domain is SIMPLE else f"{self._domain.name}/"
        return f"synthetic/{domain}{self.split}/{index:08d}#0"

    def sample_keys(self) -> list[str]:
        return [self._key(index) for index in range(len(self))]

    def joints(self) -> Joints:
        uv = np.array(self._hands["uv"])
        return Joints(uv, np.ones(uv.shape[:2], dtype=bool), np.array(self._hands["is_left"]))

    def poses(self, indices: np.ndarray | None = None) -> np.ndarray:
        chosen = slice(None) if indices is None else indices
        poses = np.array(self._hands["xyz"][chosen])
        poses[self._hands["is_left"][chosen], :, 0] *= -1
        return poses


def rendered(root: Path, split: Split, **settings: Any) -> ArrayFolder:
    """Open the cached renders of a split; render it if they are missing or corrupt.

    Args:
        root: folder of all renders.
        split: "train", "val" or "test".
        **settings: count, size (px), orientation, seed and perhaps domain, see `Synthetic`.
    """
    described = json.dumps([_renderer_code(), split, settings], sort_keys=True)
    folder = root / f"{split}-{hashlib.sha256(described.encode()).hexdigest()[:16]}"

    def problem() -> str | None:
        return find_corruption(folder, checksums=True) if os.path.lexists(folder) else ""

    ensure_built(folder, problem, lambda: _render_into(folder, split, **settings))
    return ArrayFolder(folder)


def _renderer_code() -> str:
    """Return a checksum of the renderer's code, so that a new version renders again."""
    files = sorted(Path(render.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _render_into(folder: Path, split: Split, *, count: int, size: int, **settings: Any) -> None:
    with writing(folder) as writer:
        arrays = {
            "image": writer.create("image", (count, size, size, 3), np.uint8),
            "uv": writer.create("uv", (count, NUM_JOINTS, 2), np.float32),
            "xyz": writer.create("xyz", (count, NUM_JOINTS, 3), np.float32),
            "K": writer.create("K", (count, 3, 3), np.float32),
            "box": writer.create("box", (count, 3), np.float32),
        }
        is_left = writer.create("is_left", (count,), np.bool_)
        draw = partial(render_sample, split, size=size, **settings)
        hands = track(_all_hands(draw, count), what=f"rendering {split} hands", total=count)
        for index, hand in enumerate(hands):
            for name, array in arrays.items():
                array[index] = getattr(hand, name)
            is_left[index] = hand.side == "left"


def _all_hands(draw: Callable[[int], RenderedHand], count: int) -> Iterator[RenderedHand]:
    """Yield the hands in order, rendered by workers if there are many."""
    cores = num_cores()
    is_worker = multiprocessing.current_process().name != "MainProcess"  # joblib's: cores are busy
    if count < _LEAST_FOR_WORKERS or cores == 1 or is_worker:
        yield from map(draw, range(count))
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores, context, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        with _one_blas_thread(), leaving_signals_to_the_run():
            hands = pool.map(draw, range(count), chunksize=_CHUNK)  # starts the workers
        yield from hands


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread in child processes, which already use all cores."""
    before = {name: os.environ.get(name) for name in _BLAS_THREADS}
    os.environ.update(dict.fromkeys(_BLAS_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def render_sample(
    split: Split,
    index: int,
    *,
    size: int,
    orientation: str,
    seed: int,
    domain: str = SIMPLE.name,
) -> RenderedHand:
    """Render one hand of a split; it depends on the arguments alone.

    Args:
        split: "train", "val" or "test".
        index: of the hand.
        size: side of the image in px.
        orientation: see `handpose.data.synthetic.render`.
        seed: of the renders.
        domain: name of the domain.
    """
    world, number = DOMAINS[domain], SPLITS.index(split)
    place = [list(DOMAINS).index(domain)] if world.own_draws else []
    rng = np.random.default_rng(np.random.SeedSequence([seed, number, index, *place]))
    person = None
    if pool := world.subjects[number]:
        who = int(_subject_number(np.array(index), pool))
        person = subject(domain, number, who, MARKINGS_SHAPE)
    return render_hand(rng, size=size, orientation=orientation, domain=world, person=person)


def _subject_number(index: np.ndarray, pool: int) -> np.ndarray:
    """Return which subject of a pool each sample shows: in turn, so that all are equally often."""
    return index % pool
