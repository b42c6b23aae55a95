"""Twenty launches in one second have twenty run directories."""

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from handpose.config.catalogue import CONF
from handpose.config.schema import register
from handpose.pipeline.run_directory import RunRefused, claim

LAUNCHES = 20


def launch(cfg: DictConfig, barrier: Barrier, queue: Queue, prepare: Callable[[], None]) -> None:
    """What train.py does before any work, from the moment that it names its directory."""
    prepare()
    barrier.wait(60)
    start = time.time()
    run_dir = Path(OmegaConf.select(cfg, "hydra.run.dir"))
    try:
        with claim(run_dir, {"paths": {}}):
            queue.put((start, time.time(), str(run_dir)))
    except RunRefused:
        queue.put((start, time.time(), str(run_dir)))


def directories(runs: Path, prepare: Callable[[], None]) -> tuple[set[str], float]:
    """Where the launches went, and the seconds from the first start to the last claim."""
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=[f"paths.runs={runs}"], return_hydra_config=True)
    context = multiprocessing.get_context("fork")
    barrier, queue = context.Barrier(LAUNCHES), context.Queue()
    arguments = (cfg, barrier, queue, prepare)
    processes = [context.Process(target=launch, args=arguments) for _ in range(LAUNCHES)]
    for process in processes:
        process.start()
    starts, ends, places = zip(*(queue.get(timeout=60) for _ in processes), strict=True)
    for process in processes:
        process.join()
    return set(places), max(ends) - min(starts)


def test_twenty_at_once_have_a_directory_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, seconds = directories(tmp_path, register)
    with capsys.disabled():
        print(f"\n{LAUNCHES} launches within {seconds:.2f} s: {len(found)} run directories")
    assert len(found) == LAUNCHES
    assert all((Path(place) / "config.json").is_file() for place in found)
    # The time of the day alone would not have told them apart.
    assert len({Path(place).name[: len("HH-MM-SS")] for place in found}) < LAUNCHES


def by_time_alone() -> None:
    """As Hydra's default names directories."""
    OmegaConf.register_new_resolver("short_id", lambda: "same", replace=True, use_cache=True)


def test_without_the_identifier_they_would_meet(tmp_path: Path) -> None:
    found, _ = directories(tmp_path, by_time_alone)
    assert len(found) < LAUNCHES
