"""Packs what a configuration uses, and lists packs, as lines of text."""

from collections.abc import Iterator
from pathlib import Path

from omegaconf import DictConfig

from handpose.data.packed.folder import find_packs
from handpose.data.packed.opening import build_pack
from handpose.data.packed.pack import Pack
from handpose.pipeline.packs import uses


def pack_all(cfg: DictConfig, folder: Path) -> Iterator[str]:
    """Build the packs that are missing; yield a line for each that a configuration uses.

    Args:
        cfg: configuration of a run.
        folder: of all packs.
    """
    for use in uses(cfg):
        what = f"{use.stage}, {use.source.name}, {use.source.split}"
        if use.refusal:
            yield f"{what}: not packed, {use.refusal}"
        else:
            pack = build_pack(use.source, use.reach, folder)
            yield f"{what}: {_in_words(pack)}, {pack.folder}"


def list_packs(cfg: DictConfig | None, folder: Path) -> Iterator[str]:
    """Yield a line for each pack on the disk.

    Args:
        cfg: configuration whose packs are marked; its datasets are opened. None: no marks.
        folder: of all packs.
    """
    used: dict[Path, list[str]] = {}
    for use in uses(cfg) if cfg is not None else ():
        if not use.refusal:
            used.setdefault(use.folder(folder), []).append(f"{use.stage}, {use.source.split}")
    count = 0
    for found in find_packs(folder):
        count += 1
        users = "; ".join(used.get(found.folder, ())) or "not used with these overrides"
        mark = f" ({users})" if cfg is not None else ""
        if found.pack is None:
            yield f"{found.folder.name}: {found.state}, {found.num_bytes:,} bytes"
        else:
            source = "{source}, {split}".format(**found.pack.description)
            yield f"{found.folder.name}: {source}, {_in_words(found.pack)}{mark}"
    if not count:
        yield f"{folder}: no packs"


def _in_words(pack: Pack) -> str:
    height, width = pack.slot
    kind = "raw" if pack.is_raw else "JPEG"
    return f"{len(pack):,} hands, {width} x {height} px {kind}, {pack.num_bytes:,} bytes"
