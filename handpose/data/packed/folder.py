"""The folder of all packs: what lies there, and how to delete one."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from handpose.data.packed.build import unfinished
from handpose.data.packed.pack import Pack, find_fault

_ADDRESS = re.compile(r"\.?([0-9a-f]{16})(?:\.partial|\.corrupt)?")


class Found(NamedTuple):
    """A pack on the disk."""

    folder: Path
    pack: Pack | None  # None if it is unfinished or corrupt
    state: str
    num_bytes: int  # on the disk


def find_packs(folder: Path) -> Iterator[Found]:
    """Yield all packs, also unfinished and corrupt ones.

    Args:
        folder: of all packs.
    """
    for own in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not own.is_dir() or not _ADDRESS.fullmatch(own.name):
            continue
        size = sum(file.stat().st_blocks * 512 for file in own.rglob("*") if file.is_file())
        if own.suffix == ".partial":
            yield Found(own, None, "unfinished", size)
        elif own.suffix == ".corrupt" or (fault := find_fault(own)):
            yield Found(own, None, "corrupt" if own.suffix else f"corrupt: {fault}", size)
        else:
            yield Found(own, Pack(own), "complete", size)


def delete(folder: Path, address: str) -> list[Path]:
    """Delete a pack, also what is unfinished or corrupt of it; return the deleted folders.

    Args:
        folder: of all packs.
        address: of the pack.

    Raises:
        ValueError: there is no such pack, or a process is building it.
    """
    match = _ADDRESS.fullmatch(address)
    own = folder / (match[1] if match else "")
    every = [own, unfinished(own), own.with_name(f"{own.name}.corrupt")] if match else []
    there = [path for path in every if path.is_dir()]
    if not there:
        raise ValueError(f"{folder}: no pack {address}; handpose pack --list shows all packs")
    lock = own.with_name(f".{own.name}.lock")
    try:
        with FileLock(lock, timeout=0):
            for path in there:
                shutil.rmtree(path)
    except Timeout:
        raise ValueError(f"{own}: a process is building it; stop that process first") from None
    lock.unlink(missing_ok=True)
    return there
