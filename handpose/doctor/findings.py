"""The facts about a source, as plain values, and some of its samples drawn.

doctor.json holds the facts under the names of their fields.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from handpose.data.base import HandDataset, Split
from handpose.data.indexed import IndexedDataset
from handpose.doctor.measures import Measures, Overview, measure, overview, spread
from handpose.doctor.sources import Opened, Source, open_splits
from handpose.geometry import affine as maps
from handpose.records import Sample
from handpose.report.skeletons import box_corners, draw_box, draw_skeleton, enlarge, joint_colours

_NUM_MEASURED = 200  # hands of each split whose images are read
_NUM_DRAWN = 8  # hands of each split
_TILE = 400  # px, for sharp screens


class Finding(NamedTuple):
    """One bad file or record."""

    file: str
    reason: str
    is_left_out: bool  # by the configured quarantine


class SplitFacts(NamedTuple):
    """Counts of one split's hands."""

    split: Split
    hands: int
    num_images: int
    poses: int  # identities
    left: int
    labelled_2d: int  # with some joint labelled
    labelled_3d: int
    cameras: int
    measures: Measures


class SourceFacts(NamedTuple):
    """Everything that was found out about a source."""

    key: str  # of its configuration: "dataset", "dataset.parts.mpii"
    name: str
    settings: Mapping[str, Any]
    layout: str  # empty if the source has only one
    index_folder: str  # empty without an index
    counts: Mapping[str, int]  # the source's own
    warnings: tuple[str, ...]  # unusual labels
    findings: tuple[Finding, ...]
    gone_bad: tuple[Finding, ...]  # corrupted after the index was built, among the measured hands
    is_fatal: bool  # the source cannot be read at all
    splits: tuple[SplitFacts, ...]
    missing: Mapping[Split, str]
    crops_by_labels: bool  # the boxes come from joint labels

    def split(self, name: Split) -> SplitFacts | None:
        """Returns the facts of a split, or None if it is missing."""
        return next((facts for facts in self.splits if facts.split == name), None)

    @property
    def refused(self) -> list[Finding]:
        """The findings for which a training is refused."""
        return [finding for finding in self.findings if not finding.is_left_out]


class Drawn(NamedTuple):
    """A sample on the contact sheet."""

    split: Split
    side: str
    key: str
    image: np.ndarray  # (S, S, 3) uint8 RGB


def examine(source: Source, *, reference_bone: str) -> tuple[SourceFacts, list[Drawn]]:
    """Opens a source and examines every split of it.

    Args:
        reference_bone: "index" or "middle", the bone that is measured.
    """
    opened = open_splits(source)
    facts, drawn = [], []
    gone_bad: list[Finding] = []
    for split, dataset in opened.splits.items():
        hands = overview(dataset)
        samples = _readable(dataset, spread(hands.is_left, _NUM_MEASURED), gone_bad)
        measures = measure(samples, reference_bone=reference_bone)
        facts.append(_split_facts(split, dataset, hands, measures))
        chosen = _readable(dataset, spread(hands.is_left, _NUM_DRAWN), [])
        drawn += [Drawn(split, s.side, s.key, draw_tile(s, size=_TILE)) for s in chosen]
    return _source_facts(source, opened, gone_bad, facts), drawn


def draw_tile(sample: Sample, *, size: int) -> np.ndarray:
    """Draws the box in white and the joints in their fingers' colours on the image around the box.

    Args:
        size: S, side of the tile in px.

    Returns:
        (S, S, 3) uint8 RGB.
    """
    corners = box_corners(sample.box)
    points = np.concatenate((corners, sample.uv[sample.uv_valid]))
    tile, to_tile = enlarge(sample.image, points, size=size)
    return draw_skeleton(
        draw_box(tile, maps.apply(to_tile, corners)),
        maps.apply(to_tile, sample.uv),
        sample.uv_valid,
        colours=joint_colours(),
        thickness=max(2, size // 150),
    )


def _readable(
    dataset: HandDataset, places: np.ndarray, gone_bad: list[Finding]
) -> Iterator[Sample]:
    """Yields the samples at `places`; those that cannot be read any more go to `gone_bad`."""
    for place in places.tolist():
        try:
            yield dataset[place]
        except ValueError as error:
            name = f"{dataset.split} sample {place}"
            if isinstance(dataset, IndexedDataset):
                name = dataset.image_name(place)
            gone_bad.append(Finding(name, str(error), is_left_out=False))


def _split_facts(
    split: Split, dataset: HandDataset, hands: Overview, measures: Measures
) -> SplitFacts:
    return SplitFacts(
        split=split,
        hands=len(dataset),
        num_images=len(np.unique(hands.image)),
        poses=len(np.unique(dataset.identities)),
        left=int(hands.is_left.sum()),
        labelled_2d=int(hands.has_uv.sum()),
        labelled_3d=int(hands.has_xyz.sum()),
        cameras=int(hands.has_camera.sum()),
        measures=measures,
    )


def _source_facts(
    source: Source, opened: Opened, gone_bad: list[Finding], splits: list[SplitFacts]
) -> SourceFacts:
    dataset = next(iter(opened.splits.values()), None)
    index = dataset.index if isinstance(dataset, IndexedDataset) else None
    refused = {problem.file for problem in opened.refused}
    problems = index.problems if index else opened.refused
    return SourceFacts(
        key=source.key,
        name=source.name,
        settings=source.settings,
        layout=index.layout if index else "",
        index_folder=str(index.arrays.folder) if index else "",
        counts=index.counts if index else {},
        warnings=tuple(index.warnings) if index else (),
        findings=tuple(Finding(*problem, problem.file not in refused) for problem in problems),
        gone_bad=tuple(gone_bad),
        is_fatal=opened.is_fatal,
        splits=tuple(splits),
        missing=opened.missing,
        crops_by_labels=dataset is not None and dataset.crops_by_labels,
    )
