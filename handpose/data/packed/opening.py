"""Chooses whether a split is read from a pack, and builds the pack where it is asked for."""

import logging
from pathlib import Path

import numpy as np

from handpose.augment.reach import Reach, Window
from handpose.data.base import HandDataset
from handpose.data.cache import ensure_built
from handpose.data.images import decode_pixels
from handpose.data.packed.blocks import encode
from handpose.data.packed.build import build
from handpose.data.packed.dataset import Packed
from handpose.data.packed.pack import Pack, find_fault
from handpose.data.packed.plan import RAW, describe, find_window, make_plan, place

_log = logging.getLogger(__name__)
_COMPARED = 16  # hands whose crops are compared when a pack is opened
_ALIKE = 1.0  # mean difference in grey levels; versions of decoders differ by less


def with_pack(source: HandDataset, reach: Reach, folder: Path) -> HandDataset:
    """Return a split that reads packed crops as `source.packed` says, or the source itself.

    Args:
        source: the hands.
        reach: what their views can show.
        folder: of all packs (`${paths.cache}/packed`).

    Raises:
        BrokenDataError: images cannot be packed.
        ValueError: the disk has too little space.
    """
    if source.packed is False:
        return source
    if source.packed is True:
        if reason := unpackable(source):
            _log.warning("dataset.packed=true: %s, so its images are read", reason)
            return source
        return Packed(source, build_pack(source, reach, folder))
    if unpackable(source):
        return source
    own = place(folder, describe(source, reach, RAW))
    fault = find_fault(own)
    if fault is None:
        pack = Pack(own)
        _require_same_crops(pack, source, reach)
        _log.info("%s, %s: packed crops in %s", source.name, source.split, own)
        return Packed(source, pack)
    if fault:
        _log.warning(
            "%s is corrupt (%s): images are read instead. dataset.packed=true or `handpose pack` "
            "builds it again",
            *(own, fault),
        )
    return source


def unpackable(source: HandDataset) -> str | None:
    """Return why a source cannot be packed; None if it can."""
    if source.fingerprint is None:
        return f"{source.name} has no fingerprint, by which a pack would be found again"
    return None


def build_pack(source: HandDataset, reach: Reach, folder: Path) -> Pack:
    """Return the pack of a source in its format; build it if it is missing or corrupt.

    Args:
        source: the hands; has a fingerprint.
        reach: what their views can show.
        folder: of all packs.
    """
    own = place(folder, describe(source, reach, source.pack_format))
    ensure_built(
        own,
        lambda: find_fault(own),
        lambda: build(own, source, make_plan(source, reach, source.pack_format)),
    )
    pack = Pack(own)
    _require_same_crops(pack, source, reach)
    _log.info("%s, %s: packed crops in %s", source.name, source.split, own)
    return pack


def _require_same_crops(pack: Pack, source: HandDataset, reach: Reach) -> None:
    """Refuse a pack of other crops: its address promises more than the source told."""
    places = np.unique(np.linspace(0, len(source) - 1, _COMPARED).astype(int)).tolist()
    for index in places:
        window, _ = find_window(source, reach, index)
        is_there = np.array_equal(window.affine, pack.crop(index).affine)
        if not is_there or window.size != tuple(pack.sizes[index].tolist()):
            raise ValueError(
                f"{pack.folder}: hand {index} has another box than when it was packed, and the "
                f"fingerprint of {source.name} is the same. {pack.advice}"
            )
        if _has_other_pixels(pack, source, window, index):
            raise ValueError(
                f"{pack.folder}: the image of hand {index} has changed since it was packed, and "
                f"the fingerprint of {source.name} is the same. {pack.advice}"
            )


def _has_other_pixels(pack: Pack, source: HandDataset, window: Window, index: int) -> bool:
    """Return whether the image of a hand shows something else than its packed crop."""
    try:
        crop = window.cut(source[index].image)
    except ValueError:  # a pack serves without the images, too
        return False
    if not pack.is_raw:
        crop = decode_pixels(encode(crop), *crop.shape[:2])
    packed = pack.pixels(np.array([index]))[0, : crop.shape[0], : crop.shape[1]]
    if crop.shape[1::-1] != tuple(pack.sizes[index].tolist()):
        return True
    return float(np.abs(crop.astype(int) - packed).mean()) > _ALIKE
