"""Joins the parts of a collection into the tables that training reads.

OUT/boxes.csv       dataset=folder with dataset.boxes=boxes.csv: every hand
OUT/labels.jsonl    dataset=manifest with dataset.file=labels.jsonl, and pretrain.mining.joints:
                    every hand, with uv where the detector's landmarks count
OUT/hands.csv       where each hand comes from, and its score
OUT/collection.json counts, options, problems; written last
"""

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from handpose.collect.part_store import Row, Store
from handpose.collect.source_parts import Source
from handpose.data.sources.folder_images import group_by_name
from handpose.files import read_json_object, replacing

BOXES, LABELS, HANDS, SUMMARY = "boxes.csv", "labels.jsonl", "hands.csv", "collection.json"
_BOX = ("box_u", "box_v", "box_side")
_COLUMNS = {
    BOXES: ("image", *_BOX, "side", "group"),
    HANDS: ("image", "hand", "side", "score", "source", "time", *(f"source_{n}" for n in _BOX)),
}


def write_tables(store: Store, sources: Sequence[Source]) -> str:
    """Write the tables of all parts; return what the groups are.

    Args:
        store: whose parts are all done.
        sources: of the collection.
    """
    group_of, kind = _groups(store, sources)
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(
                stack.enter_context(replacing(store.folder / name)).open(
                    "w", newline="", encoding="utf-8"
                )
            )
            for name in (BOXES, LABELS, HANDS)
        }
        _write_rows(files, store.rows(), group_of)
    return kind


def _write_rows(files: Mapping[str, TextIO], rows: Iterable[Row], group_of: Callable) -> None:
    tables = {name: csv.writer(files[name], lineterminator="\n") for name in _COLUMNS}
    for name, columns in _COLUMNS.items():
        tables[name].writerow(columns)
    image, hand = "", 0
    for row in rows:
        image, hand = row["image"], hand + 1 if row["image"] == image else 0
        group = group_of(row)
        tables[BOXES].writerow([image, *row["box"], row["side"], group])
        tables[HANDS].writerow(
            [image, hand, row["side"], row["score"], row["source"], row["time"], *row["source_box"]]
        )
        label = {key: row[key] for key in ("image", "side", "uv", "box")} | {"group": group}
        files[LABELS].write(f"{json.dumps(label)}\n")


def _groups(store: Store, sources: Sequence[Source]) -> tuple[Callable[[Row], str], str]:
    """Return the capture group of a hand, and what kind of groups there are.

    A video is one group, and images are grouped by their names. A single video with hands would be
    on one side of a cut; it is divided into blocks of time instead.
    """
    with_hands = {row["source"] for row in store.rows()}
    videos = [source.name for source in sources if source.is_video and source.name in with_hands]
    if with_hands and with_hands == set(videos[:1]):
        of_video, kind = _by_name(_frame_name(row) for row in store.rows())
        return lambda row: of_video[_frame_name(row)], f"of one video: {kind}"
    images = {name for source in sources if not source.is_video for name in source.names}
    of_image, kind = _by_name(row["source"] for row in store.rows() if row["source"] in images)
    kinds = [f"{len(videos)} videos"] * bool(videos) + [f"images: {kind}"] * bool(images)
    return lambda row: of_image.get(row["source"], row["source"]), "; ".join(kinds)


def _frame_name(row: Row) -> str:
    return f"{row['source']}/{round(1000 * row['time']):09d}"


def _by_name(names: Iterable[str]) -> tuple[dict[str, str], str]:
    unique = list(dict.fromkeys(names))
    groups, kind = group_by_name(unique)
    return dict(zip(unique, groups, strict=True)), kind


def write_summary(folder: Path, content: dict[str, Any]) -> None:
    """Write the summary, which marks the collection as finished.

    Args:
        folder: of the collection.
        content: plain values.
    """
    with replacing(folder / SUMMARY) as partial:
        partial.write_text(json.dumps(content, indent=1))


def read_summary(folder: Path) -> dict[str, Any] | None:
    """Return the summary of a finished collection; None if it is not finished.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    path = folder / SUMMARY
    return read_json_object(path) if path.exists() else None
