"""Synthetic hands: rendered once into a cache, the same for the same settings anywhere.

Sample i of a split is drawn from (seed, split, i) alone, so the splits are disjoint, and a longer
split begins with a shorter one's hands.

Rendering a split of synthetic hands into a cache: once, on all cores, checked when reused.
"""

import hashlib
import json
import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from handpose.data.array_folder import ArrayFolder, ArrayFolderWriter, find_damage
from handpose.data.base import SPLITS, HandDataset, Joints, Split, all_valid
from handpose.data.cache import ensure_built
from handpose.data.synthetic import render as renderer
from handpose.data.synthetic.render import RenderedHand, render_hand
from handpose.data.workers import leaving_signals_to_the_run
from handpose.distributed.processes import num_cores
from handpose.progress import track
from handpose.records import Sample
from handpose.skeleton import NUM_JOINTS


class Synthetic(HandDataset):
    """Rendered hands with complete labels.

    Args:
        root: the folder for the renders (`${paths.cache}/synthetic`).
        num_train, num_val, num_test: hands of each split.
        render_size: side of the rendered images in px.
        orientation: "frontal", "upright" or "any" (see `handpose.data.synthetic.render`).
        seed: of the renders, not of the run.
        **contract: what every dataset takes (see `HandDataset`).
    """

    name = "synthetic"
    terms = "rendered by this program, under its own licence (MIT)"

    def __init__(
        self,
        *,
        root: str,
        num_train: int,
        num_val: int,
        num_test: int,
        render_size: int,
        orientation: str,
        seed: int,
        **contract: Any,
    ) -> None:
        super().__init__(**contract)
        counts = {"train": num_train, "val": num_val, "test": num_test}
        count = min(counts[self.split], self.max_samples or counts[self.split])
        if count < 1:
            raise ValueError(f"dataset.num_{self.split}={count}: at least one hand is needed")
        self._hands = rendered(
            Path(root),
            self.split,
            count=count,
            size=render_size,
            orientation=orientation,
            seed=seed,
        )

    def __len__(self) -> int:
        return len(self._hands["image"])

    def __getitem__(self, index: int) -> Sample:
        hand = {name: array[index] for name, array in self._hands.items()}
        valid = all_valid()
        return Sample(
            image=np.array(hand["image"]),
            uv=np.array(hand["uv"]),
            xyz=np.array(hand["xyz"]),
            K=np.array(hand["K"]),
            uv_valid=valid,
            xyz_valid=valid,
            box=self.choose_box(np.array(hand["box"]), hand["uv"], valid),
            side="left" if hand["is_left"] else "right",
            key=f"synthetic/{self.split}/{index:08d}#0",
        )

    @property
    def identities(self) -> np.ndarray:
        return np.arange(len(self))

    @property
    def fingerprint(self) -> str:
        return self._hands.folder.name

    def joints(self) -> Joints:
        uv = np.array(self._hands["uv"])
        return Joints(uv, np.ones(uv.shape[:2], dtype=bool), np.array(self._hands["is_left"]))

    def poses(self, indices: np.ndarray | None = None) -> np.ndarray:
        chosen = slice(None) if indices is None else indices
        poses = np.array(self._hands["xyz"][chosen])
        poses[self._hands["is_left"][chosen], :, 0] *= -1
        return poses


_CHUNK = 32  # hands a worker renders at a time
_BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def rendered(root: Path, split: Split, **settings: Any) -> ArrayFolder:
    """The cached renders of a split; made first where they are missing or damaged.

    Args:
        root: the folder of all renders.
        split: "train", "val" or "test".
        **settings: count, size (px), orientation and seed, see `Synthetic`.
    """
    described = json.dumps([_renderer_source(), split, settings], sort_keys=True)
    folder = root / f"{split}-{hashlib.sha256(described.encode()).hexdigest()[:16]}"

    def problem() -> str | None:
        return find_damage(folder, checksums=True) if os.path.lexists(folder) else ""

    ensure_built(folder, problem, lambda: _render_into(folder, split, **settings))
    return ArrayFolder(folder)


def _renderer_source() -> str:
    """A checksum of the renderer's code: renders of another version are not reused."""
    files = sorted(Path(renderer.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _render_into(
    folder: Path, split: Split, *, count: int, size: int, orientation: str, seed: int
) -> ArrayFolder:
    writer = ArrayFolderWriter(folder)
    try:
        arrays = {
            "image": writer.create("image", (count, size, size, 3), np.uint8),
            "uv": writer.create("uv", (count, NUM_JOINTS, 2), np.float32),
            "xyz": writer.create("xyz", (count, NUM_JOINTS, 3), np.float32),
            "K": writer.create("K", (count, 3, 3), np.float32),
            "box": writer.create("box", (count, 3), np.float32),
            "is_left": writer.create("is_left", (count,), np.bool_),
        }
        jobs = [
            (split, range(start, min(start + _CHUNK, count)), size, orientation, seed)
            for start in range(0, count, _CHUNK)
        ]
        hands = track(_all_hands(jobs), what=f"rendering {split} hands", total=count)
        for index, hand in enumerate(hands):
            for name in ("image", "uv", "xyz", "K", "box"):
                arrays[name][index] = getattr(hand, name)
            arrays["is_left"][index] = hand.side == "left"
        for array in arrays.values():
            array.flush()  # type: ignore[attr-defined]  # a memory map
        return writer.publish()
    except BaseException:
        writer.discard()
        raise


def _all_hands(jobs: list[tuple[Any, ...]]) -> Iterator[RenderedHand]:
    """The hands of all jobs in order; a pool where there is more than a moment's work."""
    cores = num_cores()
    is_of_pool = multiprocessing.current_process().name != "MainProcess"
    if len(jobs) < 8 or cores == 1 or is_of_pool:  # joblib's, whose other processes have the cores
        yield from chain.from_iterable(map(_render_chunk, jobs))
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores, context, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        with _one_blas_thread(), leaving_signals_to_the_run():
            chunks = pool.map(_render_chunk, jobs)  # starts the workers
        yield from chain.from_iterable(chunks)


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """For processes started inside: they are the parallelism; BLAS threads would fight them."""
    before = {name: os.environ.get(name) for name in _BLAS_THREADS}
    os.environ.update(dict.fromkeys(_BLAS_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _render_chunk(job: tuple[Split, Iterable[int], int, str, int]) -> list[RenderedHand]:
    split, indices, size, orientation, seed = job
    return [
        render_hand(
            np.random.default_rng(np.random.SeedSequence([seed, SPLITS.index(split), index])),
            size=size,
            orientation=orientation,
        )
        for index in indices
    ]
