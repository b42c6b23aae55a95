"""The table of a source's splits, as text: the same in the terminal and on the page."""

from collections.abc import Mapping
from typing import NamedTuple

from handpose.doctor.findings import SourceFacts, SplitFacts
from handpose.doctor.measures import LARGE_PROJECTION_ERROR, MIN_IN_BOX, USUAL_BONE

NONE = "–"


class Cell(NamedTuple):
    """A number as people read it."""

    text: str
    is_odd: bool = False  # it calls for a look


def split_cells(facts: SplitFacts) -> dict[str, Cell]:
    """{column: its cell} of a split."""
    counts = {
        "hands": facts.hands,
        "images": facts.pictures,
        "poses": facts.poses,
        "left": facts.left,
        "2D": facts.labelled_2d,
        "3D": facts.labelled_3d,
        "camera": facts.cameras,
    }
    return {name: Cell(f"{count:,}") for name, count in counts.items()} | _measured(facts)


def _measured(facts: SplitFacts) -> dict[str, Cell]:
    _, median, largest, in_box, bone = facts.measures
    low, high = USUAL_BONE
    measured = dict.fromkeys(("px off", "max px", "in box", "bone mm"), Cell(NONE))
    if median is not None and largest is not None:
        measured["px off"] = Cell(f"{median:.1f}", median > LARGE_PROJECTION_ERROR)
        measured["max px"] = Cell(f"{largest:.1f}")
    if in_box is not None:
        measured["in box"] = Cell(f"{in_box:.0%}", in_box < MIN_IN_BOX)
    if bone is not None:
        measured["bone mm"] = Cell(f"{bone:.3g}", not low <= bone <= high)
    return measured


def source_lines(source: SourceFacts) -> Mapping[str, str]:
    """{what: text} of a source as a whole."""
    boxes = "made of the joint labels" if source.crops_by_labels else "not made of joint labels"
    lines = {
        "root": str(source.settings.get("root", "")),
        "layout": source.layout,
        "boxes": "" if source.is_fatal else boxes,
        "index": source.index_folder,
        "missing splits": ", ".join(source.missing),
        **{what: f"{count:,}" for what, count in source.counts.items()},
    }
    return {what: text for what, text in lines.items() if text}
