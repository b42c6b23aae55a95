"""Builds a pack: in parallel, atomically, and resumable after a kill.

Workers pack blocks of hands, and the journal lists each finished block with its checksum. A build
that finds an unfinished one verifies what the journal lists and packs the rest.
"""

import errno
import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader

from handpose.data.base import HandDataset
from handpose.data.cache import writing
from handpose.data.index.problems import BrokenDataError, Problem, as_lines
from handpose.data.packed.blocks import Blocks, PackedBlock, encode
from handpose.data.packed.pack import DESCRIPTION, HANDS, PIXELS, Block, checksum_of
from handpose.data.packed.plan import CHANNELS, RAW, Plan
from handpose.data.workers import begin_worker, process_context
from handpose.distributed.processes import num_cores
from handpose.progress import track

_log = logging.getLogger(__name__)
_JOURNAL = "journal.jsonl"  # first the plan, then {number, checksum, lengths} of each block
_TRIED = 64  # hands whose JPEG files give the expected size of all
_MARGIN = 1.1  # of that size
_FEW = 2  # blocks that are packed without workers


def unfinished(folder: Path) -> Path:
    """Return where a pack lies until it is complete."""
    return folder.with_name(f".{folder.name}.partial")


def build(folder: Path, source: HandDataset, plan: Plan) -> None:
    """Build a pack. One process at a time, see `cache.ensure_built`.

    Args:
        folder: of the pack.
        source: the hands.
        plan: their crops.

    Raises:
        BrokenDataError: images cannot be read; names all of them.
        ValueError: the disk has too little space.
        OSError: the pack cannot be written.
    """
    partial = unfinished(folder)
    partial.mkdir(parents=True, exist_ok=True)
    done = _kept(partial, plan)
    _require_space(partial, source, plan, kept=done)
    problems: list[Problem] = []
    with _Journal(partial, plan, done) as journal:
        for block in _packed(source, plan, partial / PIXELS, journal.missing):
            problems += block.problems
            if not problems:
                journal.add(block)
    if problems:
        raise _broken(source, problems)
    _finish(partial, plan, journal.done)
    partial.rename(folder)


class _Journal:
    """Writes the crops and the journal of an unfinished pack."""

    def __init__(self, partial: Path, plan: Plan, done: dict[int, dict[str, Any]]) -> None:
        self.partial, self.done = partial, done
        self.missing = [number for number in range(plan.num_blocks) if number not in done]
        header = _header(plan)
        lines = [header, *map(json.dumps, done.values())]
        (partial / _JOURNAL).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        self._end = 0 if plan.description["format"][0] == RAW else _length(done)

    def __enter__(self) -> "_Journal":
        self._lines = (self.partial / _JOURNAL).open("a", encoding="utf-8")
        self._pixels = (self.partial / PIXELS).open("r+b")
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._pixels.close()

    def add(self, block: PackedBlock) -> None:
        """Note a block; append its files, in the order of the blocks, if they are compressed."""
        if block.content:
            self._pixels.seek(self._end)
            self._pixels.write(block.content)
            self._pixels.flush()
            self._end += len(block.content)
        line = {"number": block.number, "checksum": block.checksum, "lengths": block.lengths}
        self._lines.write(f"{json.dumps(line)}\n")
        self._lines.flush()
        self.done[block.number] = line


def _header(plan: Plan) -> str:
    return json.dumps([plan.description, plan.slot, plan.block, len(plan.windows)])


def _length(done: dict[int, dict[str, Any]]) -> int:
    return sum(sum(line["lengths"]) for line in done.values())


def _kept(partial: Path, plan: Plan) -> dict[int, dict[str, Any]]:
    """Return the blocks of an earlier build whose checksums still hold, by number."""
    try:
        header, *lines = (partial / _JOURNAL).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        header, lines = "", []
    listed = list(_whole(lines)) if header == _header(plan) else []
    is_raw = plan.description["format"][0] == RAW
    kept: dict[int, dict[str, Any]] = {}
    with (partial / PIXELS).open("a+b") as file:
        for line in sorted(listed, key=lambda line: line["number"]):
            length = sum(line["lengths"])
            start = line["number"] * plan.block * _slot_bytes(plan) if is_raw else _length(kept)
            file.seek(start)
            if checksum_of(file, length) == line["checksum"]:
                kept[line["number"]] = line
            elif not is_raw:  # the files behind it must follow it
                break
        if not is_raw:
            file.truncate(_length(kept))
    if kept:
        _log.info("%s: resuming, %d of %d blocks are kept", partial, len(kept), plan.num_blocks)
    return kept


def _whole(lines: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the lines of a journal that a kill did not cut short."""
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            return


def _slot_bytes(plan: Plan) -> int:
    height, width = plan.slot
    return height * width * CHANNELS


def expected_bytes(source: HandDataset, plan: Plan) -> int:
    """Return the bytes of a pack; for JPEG from the files of some hands.

    Args:
        source: the hands.
        plan: their crops.
    """
    if plan.description["format"][0] == RAW:
        return len(plan.windows) * _slot_bytes(plan)
    tried = np.unique(np.linspace(0, len(plan.windows) - 1, _TRIED).astype(int)).tolist()
    sizes = []
    for index in tried:
        try:
            sizes.append(len(encode(plan.windows[index].cut(source[index].image))))
        except ValueError:  # found again, and named, when it is packed
            continue
    return int(_MARGIN * len(plan.windows) * sum(sizes) / max(1, len(sizes)))


def _require_space(
    partial: Path, source: HandDataset, plan: Plan, *, kept: dict[int, dict[str, Any]]
) -> None:
    """Say how much a pack takes, refuse a disk that lacks it, and reserve it for raw crops."""
    pixels, total = partial / PIXELS, expected_bytes(source, plan)
    is_raw = plan.description["format"][0] == RAW
    there = pixels.stat().st_blocks * 512 if is_raw else _length(kept)
    needed, free = max(0, total - there), shutil.disk_usage(partial).free
    height, width = plan.slot
    _log.info(
        "packing %s, %s: %s hands, crops of up to %d x %d px, %s%s bytes in %s",
        *(source.name, source.split, f"{len(plan.windows):,}", width, height),
        *("" if is_raw else "about ", f"{total:,}", partial.parent),
    )
    lacking = (
        f"{partial.parent}: the disk has {free:,} bytes free, and this pack needs {needed:,} more. "
        "Free some space, delete old packs (handpose pack --list), choose another paths.cache, or "
        "store JPEG files: dataset.packed=true dataset.pack_format=jpeg"
    )
    if needed > free:
        raise ValueError(lacking)
    if is_raw:
        try:
            with pixels.open("r+b") as file:
                file.truncate(total)
                if hasattr(os, "posix_fallocate"):  # not on macOS
                    os.posix_fallocate(file.fileno(), 0, total)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise ValueError(lacking) from error
            raise


def _packed(
    source: HandDataset, plan: Plan, pixels: Path, numbers: list[int]
) -> Iterator[PackedBlock]:
    """Yield blocks in order, packed by as many workers as cores."""
    num_workers = num_cores() if len(numbers) > _FEW and num_cores() > 1 else 0
    cv2.setNumThreads(0)  # OpenCV's own thread pool hangs in a forked worker
    loader = DataLoader(
        Blocks(source, plan, pixels, numbers),
        batch_size=None,
        num_workers=num_workers,
        collate_fn=_as_it_is,
        worker_init_fn=begin_worker,
        multiprocessing_context=process_context() if num_workers else None,
        generator=torch.Generator(),  # else it would draw from the run's
    )
    what = f"packing {source.name}, {source.split}, in blocks of {plan.block}"
    yield from track(loader, what=what, total=len(numbers))


def _as_it_is(block: Any) -> Any:
    return block


def _broken(source: HandDataset, problems: list[Problem]) -> BrokenDataError:
    told = list(dict.fromkeys(problems))  # an image of several hands once
    return BrokenDataError(
        f"{source.name}, {source.split}: {len(told)} images cannot be packed:\n{as_lines(told)}\n"
        f"Fix them, or leave them out: handpose doctor dataset={source.name} --quarantine FILE "
        "lists them, and dataset.quarantine=FILE leaves them out. The other blocks are kept",
        told,
        is_fatal=False,
    )


def _finish(partial: Path, plan: Plan, done: dict[int, dict[str, Any]]) -> None:
    """Write the tables of a pack whose crops are complete, and flush all of it."""
    lines = [done[number] for number in range(plan.num_blocks)]
    ends = np.cumsum([length for line in lines for length in line["lengths"]])
    with writing(partial / HANDS) as writer:
        columns = {
            "affine": np.array([window.affine for window in plan.windows]),
            "size": plan.sizes,
            "source": plan.sources,
            "end": ends,
        }
        for name, column in columns.items():
            writer.create(name, column.shape, column.dtype.type)[:] = column
    blocks, start = [], 0
    for line in lines:
        hands, length = plan.hands_of(line["number"]), sum(line["lengths"])
        blocks.append(Block(hands.start, hands.stop, start, length, line["checksum"]))
        start += length
    content = {"description": plan.description, "slot": plan.slot, "blocks": blocks}
    (partial / DESCRIPTION).write_text(json.dumps(content), encoding="utf-8")
    (partial / _JOURNAL).unlink()
    for name in (PIXELS, DESCRIPTION):
        with (partial / name).open("rb") as file:
            os.fsync(file.fileno())
