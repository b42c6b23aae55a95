"""What an attacker would offer: each leaves a file, the canary, where it is carried out."""

import os
import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

SECONDS = 2.0


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.system, (f"touch {self.canary}",)


def evil_checkpoint(path: Path, canary: Path) -> None:
    """As `torch.save` writes it today."""
    torch.save({"state_dict": {"weight": torch.zeros(2), "more": Evil(canary)}}, path)


def evil_old_checkpoint(path: Path, canary: Path) -> None:
    """As `torch.save` wrote it before it made zip files."""
    content = {"state_dict": {"weight": torch.zeros(2), "more": Evil(canary)}}
    torch.save(content, path, _use_new_zipfile_serialization=False)


def evil_pickle(path: Path, canary: Path) -> None:
    """A plain pickle."""
    path.write_bytes(pickle.dumps(Evil(canary)))


def evil_array(path: Path, canary: Path) -> None:
    """An array of objects."""
    with path.open("wb") as file:
        np.save(file, np.array([Evil(canary)] * 3, dtype=object), allow_pickle=True)


@contextmanager
def harmless(canary: Path) -> Iterator[None]:
    """Asserts that what is inside is over soon and does not carry out anything."""
    start = time.process_time()  # not of the clock: other processes may be busy
    yield
    seconds = time.process_time() - start
    assert not canary.exists(), "the attack was carried out"
    assert seconds < SECONDS, f"it took {seconds:.1f} s"
