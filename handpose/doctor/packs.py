"""Checks the packed crops that a configuration uses: every checksum of every block."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig

from handpose.data.packed.pack import Pack, corrupt_parts, find_fault
from handpose.pipeline.packs import uses
from handpose.pipeline.parts import pack_folder
from handpose.progress import track


class PackState(NamedTuple):
    """A pack and what is wrong with it."""

    folder: Path
    text: str
    is_corrupt: bool


def check_packs(cfg: DictConfig) -> Iterator[PackState]:
    """Yield the state of each pack that a run would use; read all of its bytes.

    Args:
        cfg: configuration of the run.
    """
    seen: set[Path] = set()
    for use in uses(cfg):
        if use.refusal:
            continue
        folder, what = use.folder(pack_folder(cfg)), f"{use.source.name}, {use.source.split}"
        if folder not in seen:
            seen.add(folder)
            yield _state(folder, what)


def _state(folder: Path, what: str) -> PackState:
    fault = find_fault(folder)
    if fault == "":
        return PackState(folder, f"{what}: not packed; `handpose pack` packs it", is_corrupt=False)
    if fault is not None:
        advice = f"Delete it (handpose pack --delete {folder.name}), then pack again"
        return PackState(folder, f"{what}: corrupt, {fault}. {advice}", is_corrupt=True)
    pack = Pack(folder)
    parts = track(corrupt_parts(pack), what=f"checking {folder}", total=len(pack.blocks) + 1)
    faults = [part for part in parts if part is not None]
    if not faults:
        count = f"{len(pack):,} hands, blocks: {len(pack.blocks):,}"
        return PackState(folder, f"{what}: {count}, all checksums agree", is_corrupt=False)
    return PackState(
        folder, f"{what}: corrupt, {'; '.join(faults)}. {pack.advice}", is_corrupt=True
    )
