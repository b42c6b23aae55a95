"""A source -> the facts about it, as plain values, and a few of its samples drawn."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from handpose.data.base import HandDataset, Split
from handpose.data.indexed import IndexedDataset
from handpose.doctor.contact_sheet import tile
from handpose.doctor.measures import Measures, measure
from handpose.doctor.overview import Overview, overview, spread
from handpose.doctor.source import Opened, Source, open_splits
from handpose.records import Sample

_MEASURED = 200  # hands of each split: their pictures are read
_DRAWN = 8  # of each split
_TILE = 400  # px, for sharp screens


class Finding(NamedTuple):
    """One bad file or record."""

    file: str
    reason: str
    is_left_out: bool  # knowingly, by the configured quarantine


class SplitFacts(NamedTuple):
    """Counts of one split's hands."""

    split: Split
    hands: int
    pictures: int
    poses: int  # identities
    left: int
    labelled_2d: int  # with some joint labelled
    labelled_3d: int
    cameras: int
    measures: Measures


class SourceFacts(NamedTuple):
    """All that was found of a source."""

    key: str  # where its keys lie: "dataset", "dataset.parts.mpii"
    name: str
    settings: Mapping[str, Any]
    layout: str  # empty where the source has but one
    index_folder: str  # the folder of its index; empty without
    counts: Mapping[str, int]  # the source's own
    warnings: tuple[str, ...]  # what is unusual about its labels
    findings: tuple[Finding, ...]
    gone_bad: tuple[Finding, ...]  # since the index was built, as far as samples of it tell
    is_fatal: bool  # the source cannot be read at all
    splits: tuple[SplitFacts, ...]
    missing: Mapping[Split, str]
    crops_by_labels: bool  # joint labels decide the boxes

    def split(self, name: Split) -> SplitFacts | None:
        """The facts of a split, if it is there."""
        return next((facts for facts in self.splits if facts.split == name), None)

    @property
    def refused(self) -> list[Finding]:
        """What a training would be refused for."""
        return [finding for finding in self.findings if not finding.is_left_out]


class Drawn(NamedTuple):
    """A sample on the contact sheet."""

    split: Split
    side: str
    key: str
    picture: np.ndarray  # (S, S, 3) uint8 RGB


def examine(source: Source, *, reference_bone: str) -> tuple[SourceFacts, list[Drawn]]:
    """Opens a source and looks at every split of it."""
    opened = open_splits(source)
    facts, drawn = [], []
    gone_bad: list[Finding] = []
    for split, dataset in opened.splits.items():
        columns = overview(dataset)
        samples = _readable(dataset, spread(columns.is_left, _MEASURED), gone_bad)
        measures = measure(samples, reference_bone=reference_bone)
        facts.append(_split_facts(split, dataset, columns, measures))
        chosen = _readable(dataset, spread(columns.is_left, _DRAWN), [])
        drawn += [Drawn(split, s.side, s.key, tile(s, size=_TILE)) for s in chosen]
    return _source_facts(source, opened, gone_bad, facts), drawn


def _readable(
    dataset: HandDataset, places: np.ndarray, gone_bad: list[Finding]
) -> Iterator[Sample]:
    """The samples at `places`, as far as their pictures can still be read."""
    for place in places:
        try:
            yield dataset[int(place)]
        except ValueError as error:
            name = f"{dataset.split} sample {place}"
            if isinstance(dataset, IndexedDataset):
                name = dataset.image_name(int(place))
            gone_bad.append(Finding(name, str(error), is_left_out=False))


def _split_facts(
    split: Split, dataset: HandDataset, columns: Overview, measures: Measures
) -> SplitFacts:
    return SplitFacts(
        split=split,
        hands=len(dataset),
        pictures=len(np.unique(columns.picture)),
        poses=len(np.unique(dataset.identities)),
        left=int(columns.is_left.sum()),
        labelled_2d=int(columns.has_uv.sum()),
        labelled_3d=int(columns.has_xyz.sum()),
        cameras=int(columns.has_camera.sum()),
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
