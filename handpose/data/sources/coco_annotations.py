"""The hands of one annotation of a COCO file: keypoints, flags, box and side.

J = 21 joints. Keypoints are (u, v, flag) in px; the flag is 0 for a joint that is not labelled, 1
for an occluded one, 2 for a visible one.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from handpose.coco_format import OCCLUDED, UNLABELLED, VISIBLE
from handpose.data.base import joint_box
from handpose.data.index.collector import BOXED_BY_JOINTS, Annotation, as_array
from handpose.data.sources.coco_names import joint_order, side_in
from handpose.records import Side
from handpose.skeleton import JOINT_ORDERS, NUM_JOINTS

_SIDE_FIELDS = ("side", "hand_side", "hand_type", "handedness")
_IS_SIDE: dict[str, tuple[Side, Side]] = {  # field: the side if it is true, if it is false
    "is_left": ("left", "right"),
    "is_right": ("right", "left"),
}
_SIDES: tuple[Side, ...] = ("left", "right")
_UNKNOWN_SIDE = (
    "its side is not known: set dataset.side=left or dataset.side=right for hands without one, "
    "write a field `side`, or name the category left_hand or right_hand"
)
_UNLABELLED_HANDS = "hands without a labelled joint, left out"
_MM = 1e-3  # metres; the unit of joint_cam


class Category(NamedTuple):
    """A category of a COCO file."""

    name: str
    num_keypoints: int | None  # None: its keypoints have no names
    side: Side | None  # that the names say
    order: tuple[int, ...] | None  # ours[j] = theirs[order[j]]; None: not known
    reason: str = ""  # why the order is not known


class CocoImage(NamedTuple):
    """An image of a COCO file."""

    path: str  # relative to the root
    size: tuple[int, int]  # width, height in px; 0, 0: not stated
    K: np.ndarray | None  # (3, 3)


class LabelledHand(NamedTuple):
    """One hand of an annotation."""

    annotation: Annotation
    box: np.ndarray  # (3,) centre u, centre v, side in px
    side: Side


def read_category(record: Mapping[str, Any], order: tuple[int, ...] | None) -> Category:
    """Read a category.

    Args:
        record: of the file.
        order: of the joints if it is set by the user; None: by the keypoint names.
    """
    name, names = str(record.get("name", record["id"])), list(map(str, record.get("keypoints", ())))
    reason = f"the category {name!r} has no keypoint names"
    sides = {side_in(text) for text in names}
    side = side_in(name) or (sides.pop() if len(sides) == 1 else None)
    if order is None and names:
        try:
            order = joint_order(names)
        except ValueError as error:
            reason = f"of the category {name!r}, {error}"
    return Category(name, len(names) or None, side, order, reason)


class OrderError(Exception):
    """The joint order of a category is not known: a fault of the file, not of a record."""

    def __init__(self, category: Category) -> None:
        orders = "|".join(JOINT_ORDERS)
        advice = f"Rename them (wrist, thumb1 to thumb4, ...), or set dataset.joint_order={orders}"
        super().__init__(f"{category.reason}. {advice}, or a list of {NUM_JOINTS} numbers")


def hands_of(
    record: Mapping[str, Any],
    image: CocoImage,
    category: Category | None,
    *,
    default_side: Side | None,
    counts: Counter[str],
) -> Iterator[LabelledHand]:
    """Yield the hands of an annotation; an annotation that is no labelled hand is counted.

    Args:
        record: of the file.
        image: that it is in.
        category: that it belongs to; None if the file states none.
        default_side: side of hands whose side the file does not state.
        counts: of what is left out.

    Raises:
        ValueError: the record is wrong.
        OrderError: the joint order is not known.
    """
    if any(f"{side}hand_kpts" in record for side in _SIDES):
        for side in _SIDES:
            yield from _wholebody_hand(record, side, counts)
        return
    points = _keypoints(record, category, counts)
    if points is None:
        return
    if category is None:
        raise ValueError("the key 'category_id' is missing")
    if category.order is None:
        raise OrderError(category)
    order = list(category.order)
    hand = _hand(points[order], record.get("bbox"), _side(record, category, default_side), counts)
    if image.K is not None and "joint_cam" in record:
        xyz = _MM * as_array(record["joint_cam"], NUM_JOINTS, 3)[order]
        valid = (points[order, 2] > UNLABELLED) & np.isfinite(xyz.sum(axis=1))
        labels = hand.annotation._replace(xyz=xyz, K=image.K, xyz_valid=valid)
        hand = hand._replace(annotation=labels)
    yield hand


def _wholebody_hand(
    record: Mapping[str, Any], side: Side, counts: Counter[str]
) -> Iterator[LabelledHand]:
    """Yield the left or right hand of a person of COCO-WholeBody, whose flags are scores."""
    if not record.get(f"{side}hand_valid", True):
        counts["hands marked as not valid, left out"] += 1
        return
    points = as_array(record[f"{side}hand_kpts"], 3 * NUM_JOINTS).reshape(NUM_JOINTS, 3)
    if not (points[:, 2] >= 0).all():
        raise ValueError(f"{side}hand_kpts has a score that is negative or NaN")
    if points[:, 2].any():
        yield _hand(points, record.get(f"{side}hand_box"), side, counts)
    else:
        counts[_UNLABELLED_HANDS] += 1


def _keypoints(
    record: Mapping[str, Any], category: Category | None, counts: Counter[str]
) -> np.ndarray | None:
    """Return the keypoints (21, 3) in the file's order; None for no labelled hand, counted."""
    value = record.get("keypoints")
    if not value:
        counts["annotations without keypoints, left out"] += 1
        return None
    size = np.asarray(value, dtype=object).size
    if size != 3 * NUM_JOINTS:
        named = category.num_keypoints if category else None
        if size % 3 or named not in (None, size // 3):
            wanted = NUM_JOINTS if named is None else named
            raise ValueError(f"{size} numbers in keypoints, where 3 x {wanted} are expected")
        counts[f"annotations of {size // 3} keypoints, not {NUM_JOINTS}, left out"] += 1
        return None
    points = as_array(np.ravel(value).tolist(), 3 * NUM_JOINTS).reshape(NUM_JOINTS, 3)
    for joint, flag in enumerate(points[:, 2]):
        if flag not in (UNLABELLED, OCCLUDED, VISIBLE):
            text = "0 (not labelled), 1 (occluded) or 2 (visible)"
            raise ValueError(f"the flag of keypoint {joint} is {flag:g}, not {text}")
    if not points[:, 2].any():
        counts[_UNLABELLED_HANDS] += 1
        return None
    return points


def _hand(points: np.ndarray, bbox: Any, side: Side, counts: Counter[str]) -> LabelledHand:
    """Return a hand of keypoints (21, 3) in our order, some of them labelled."""
    uv, labelled = points[:, :2], points[:, 2] > 0
    box = _square(bbox)
    if box is None:
        counts[BOXED_BY_JOINTS] += 1
        box = joint_box(uv[labelled])
    return LabelledHand(Annotation(uv=uv, uv_valid=labelled), box, side)


def _square(bbox: Any) -> np.ndarray | None:
    """Return the square (3,) about a bbox (x, y, width, height); None if there is none."""
    if not bbox or not any(bbox):  # some tools write zeros
        return None
    x, y, width, height = as_array(bbox, 4)
    if not (np.isfinite([x, y]).all() and 0 < width < np.inf and 0 < height < np.inf):
        raise ValueError(f"bbox {bbox} is not x, y, width, height in px, the last two above 0")
    return np.array([x + width / 2, y + height / 2, max(width, height)])


def _side(record: Mapping[str, Any], category: Category, default: Side | None) -> Side:
    """Return the side of a hand; raises ValueError if it is not known, or contradictory."""
    attributes = record.get("attributes")
    stated = dict(_stated_sides(record))
    if isinstance(attributes, dict):
        stated |= {f"attributes.{field}": side for field, side in _stated_sides(attributes)}
    if category.side is not None:
        stated[f"the category {category.name!r}"] = category.side
    if len(set(stated.values())) > 1:
        raise ValueError(", ".join(f"{where} says {side}" for where, side in stated.items()))
    side = next(iter(stated.values()), default)
    if side is None:
        raise ValueError(_UNKNOWN_SIDE)
    return side


def _stated_sides(fields: Mapping[str, Any]) -> Iterator[tuple[str, Side]]:
    """Yield each field that states a side, with the side."""
    for field in _SIDE_FIELDS:
        if (value := fields.get(field)) not in (None, ""):
            side = side_in(str(value))
            if side is None:
                raise ValueError(f"{field} is {value!r}, not left or right")
            yield field, side
    for field, (if_true, if_false) in _IS_SIDE.items():
        if (value := fields.get(field)) is not None:
            if value not in (0, 1):
                raise ValueError(f"{field} is {value!r}, not true or false")
            yield field, if_true if value else if_false
