"""Goes through all sources: detects hands, thins out near-duplicates, stores the rest in parts.

Frames are decoded in one thread and images written in another, while this one detects hands. The
order of everything stored is that of the sources, whichever thread is faster.
"""

from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import count
from typing import Any

import numpy as np

from handpose.collect.crops import Cut, CutHand, cut_hands, is_seen
from handpose.collect.image_names import ImageNames
from handpose.collect.near_duplicates import NearDuplicates
from handpose.collect.options import Options
from handpose.collect.part_store import PartDone, Row, Store
from handpose.collect.source_parts import Source, read_part
from handpose.detect.base import Detector
from handpose.media.background import in_background
from handpose.media.frames import Frame
from handpose.media.image_files import write_jpeg

_DECODED_AHEAD = 3  # frames
_WRITTEN_BEHIND = 32  # images
_DECIMALS = 2  # of px

FRAMES, HANDS, KEPT = "frames read", "hands found", "hands kept"
WITHOUT = "frames without a hand"
SIMILAR = "near-duplicates left out"
SMALL = "small hands left out"
LABELLED = "hands with landmarks"
CORRUPT = "corrupt frames or images"


class Collection:
    """Collects from sources into a store.

    Args:
        detect: the detector.
        store: of the folder.
        options: of the collection.
        sources: all of them, in order.

    Attributes:
        counts: of all parts so far, those of earlier processes included.
        problems: (file, reason) of all parts so far.
    """

    def __init__(
        self, detect: Detector, store: Store, options: Options, sources: Sequence[Source]
    ) -> None:
        self._detect, self._store, self._options = detect, store, options
        self._sources = sources
        names = (name for source in sources if not source.is_video for name in source.names)
        self._names = ImageNames(names, frames=options.frames)
        self.counts: Counter[str] = Counter()
        self.problems: list[tuple[str, str]] = []

    def run(self) -> Iterator[None]:
        """Collect what is missing; yields after each frame.

        Raises:
            OSError: something cannot be written.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="write") as writer:
            for number, source in enumerate(self._sources):
                remembered: dict[str, Any] = {}
                for part in count():
                    done = self._store.read(number, part)
                    if done is None:
                        done, rows = yield from self._part(source, part, remembered, writer)
                        self._store.write(number, part, done, rows)
                    self._add(done)
                    if done.has_ended:
                        break
                    remembered = done.remembered

    def num_done(self) -> int:
        """Return the number of frames that earlier processes have read."""
        frames = 0
        for number in range(len(self._sources)):
            for part in count():
                done = self._store.read(number, part)
                frames += 0 if done is None else done.counts.get(FRAMES, 0)
                if done is None or done.has_ended:
                    break
        return frames

    def _add(self, done: PartDone) -> None:
        self.counts.update(done.counts)
        self.problems += [(file, reason) for file, reason in done.problems]

    def _part(
        self, source: Source, part: int, remembered: dict[str, Any], writer: ThreadPoolExecutor
    ) -> Generator[None, None, tuple[PartDone, list[Row]]]:
        """Collect a part and return it with its hands."""
        near = NearDuplicates(self._options.min_change, remembered)
        counts: Counter[str] = Counter()
        problems: list[tuple[str, str]] = []
        rows: list[Row] = []
        writes: deque[Future[None]] = deque()
        reading = read_part(source, part)
        with closing(in_background(reading.frames, ahead=_DECODED_AHEAD)) as frames:
            for frame in frames:
                if isinstance(frame, ValueError):
                    counts[CORRUPT] += 1
                    problems.append(source.problem(frame))
                    continue
                for place, cut in enumerate(self._kept(frame, near, counts)):
                    name = self._names.name(frame, place)
                    rows += [_row(name, hand, frame) for hand in cut.hands]
                    path = self._store.folder / name
                    writes.append(writer.submit(write_jpeg, path, cut.image))
                while len(writes) > _WRITTEN_BEHIND:
                    writes.popleft().result()
                yield
        for write in writes:
            write.result()
        counts[CORRUPT] += reading.num_corrupt
        counts[LABELLED] += sum(row["uv"] is not None for row in rows)
        problems += reading.problems
        return PartDone(reading.has_ended, dict(+counts), problems, near.state()), rows

    def _kept(self, frame: Frame, near: NearDuplicates, counts: Counter[str]) -> list[Cut]:
        """Return what is stored of a frame, and count."""
        found = self._detect(frame.image)
        hands = [hand for hand in found if is_seen(hand, frame.image, self._options.min_side)]
        kept = [
            cut
            for cut in cut_hands(frame.image, hands, self._options)
            if any([near.is_new(cut.image, hand) for hand in cut.hands])  # remembers all of them
        ]
        num_kept = sum(len(cut.hands) for cut in kept)
        counts[FRAMES] += 1
        counts[WITHOUT] += not found
        counts[HANDS] += len(found)
        counts[SMALL] += len(found) - len(hands)
        counts[SIMILAR] += len(hands) - num_kept
        counts[KEPT] += num_kept
        return kept


def _row(image: str, hand: CutHand, frame: Frame) -> Row:
    """Return a hand in plain values; boxes are centre u, centre v, side."""
    is_known = np.isfinite(hand.uv).all(axis=1)
    uv = [_plain(point) if known else None for point, known in zip(hand.uv, is_known, strict=True)]
    return {
        "image": image,
        "side": hand.found.side,
        "box": _plain(hand.box),
        "uv": uv if is_known.any() else None,
        "score": round(hand.found.score, 4),
        "source": frame.source,
        "time": None if frame.time is None else round(frame.time, 3),
        "source_box": _plain(hand.found.box),
    }


def _plain(values: np.ndarray) -> list[float]:
    return np.asarray(values, dtype=np.float64).round(_DECIMALS).tolist()
