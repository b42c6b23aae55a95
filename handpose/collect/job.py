"""A whole collection: claims the folder, goes through the sources, writes the tables."""

import logging
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from handpose.collect.collection import Collection
from handpose.collect.options import Options
from handpose.collect.part_store import claimed
from handpose.collect.source_parts import Source, described, num_frames, sources_of
from handpose.collect.tables import read_summary, write_summary, write_tables
from handpose.detect.loading import load_detector
from handpose.media.inputs import Input
from handpose.progress import track

_log = logging.getLogger(__name__)


def collect(
    found: Input, out: Path, *, model: str, description: dict[str, Any], options: Options
) -> dict[str, Any]:
    """Collect hands into a folder, or resume that; return its summary.

    Args:
        found: images and videos.
        out: the folder; created if missing.
        model: the detector, as for `load_detector`.
        description: of model and options, in plain values; a folder takes one description only.
        options: of the collection.

    Raises:
        ValueError: the folder is of another collection, or the detector cannot be loaded.
        OSError: something cannot be written.
    """
    load = partial(load_detector, num_hands=options.num_hands, thorough=options.thorough)
    # Before the claim: a wrong model must not leave a folder that refuses the right one.
    detect = load(model) if read_summary(out) is None else None
    with claimed(out, description | described(found)) as store:
        summary = read_summary(out)
        if summary is not None:
            store.forget_parts()
            return summary | {"was_finished": True}
        detect = detect or load(model)
        sources = sources_of(found, options.every)
        collection = Collection(detect, store, options, sources)
        num_done = collection.num_done()
        if num_done:
            _log.info("%s: %d frames are done, resuming", out, num_done)
        total = _total(sources, num_done)
        for _ in track(collection.run(), what="collecting hands, frames", total=total):
            pass
        groups = write_tables(store, sources)
        summary = {
            "counts": dict(collection.counts),
            "problems": collection.problems,
            "groups": groups,
            "description": description,
        }
        write_summary(out, summary)
        store.forget_parts()
        return summary | {"was_finished": False}


def _total(sources: Iterable[Source], num_done: int) -> int | None:
    """Return the number of frames that are left, as the videos state it."""
    numbers = [num_frames(source) for source in sources]
    known = [number for number in numbers if number is not None]
    return max(1, sum(known) - num_done) if len(known) == len(numbers) else None
