"""A predicted hand as a record of JSON (see schema.json) and as a row of CSV. J = 21 joints."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from handpose.media.frames import Frame
from handpose.predict.hand import Hand, low_joints
from handpose.skeleton import NUM_JOINTS

SCHEMA = Path(__file__).with_name("schema.json")
_DECIMALS = {"px": 3, "m": 6, "": 4, "s": 6}
_JOINTS = range(NUM_JOINTS)
# Columns that are named as those of dataset=manifest mean the same.
COLUMNS = (
    *("image", "frame", "time_s", "hand", "track", "side", "score", "confidence"),
    *("box_u", "box_v", "box_side"),
    *(f"{axis}{joint}" for joint in _JOINTS for axis in "uv"),
    *(f"{axis}{joint}_from_wrist_m" for joint in _JOINTS for axis in "xyz"),
    *(f"confidence{joint}" for joint in _JOINTS),
)


def record(
    frame: Frame, hand: Hand, number: int, *, min_confidence: float | None = None
) -> dict[str, Any]:
    """Returns plain values, as `schema.json` describes them.

    Args:
        frame: that the hand is in.
        hand: one of its hands.
        number: place of the hand in the frame, from 0.
        min_confidence: what is below it is marked.

    Raises:
        ValueError: a number is not finite.
    """
    height, width = frame.image.shape[:2]
    is_low, joints = low_joints(hand, min_confidence)
    is_marked = min_confidence is not None and hand.confidence is not None
    values: dict[str, Any] = {
        "source": frame.source,
        "frame": frame.number,
        "time_s": _rounded(frame.time, "s"),
        "width": width,
        "height": height,
        "hand": number,
        "track": hand.track,
        "side": hand.side,
        "score": _rounded(hand.score, ""),
        "confidence": _rounded(hand.confidence, ""),
        "joint_confidence": _rounded(hand.joint_confidence, ""),
        "is_low_confidence": bool(is_low) if is_marked else None,
        "low_confidence_joints": np.flatnonzero(joints).tolist() if is_marked else None,
        "box_px": _rounded(hand.box, "px"),
        "uv_px": _rounded(hand.uv, "px"),
        "xyz_m": _rounded(hand.xyz, "m"),
        "camera_xyz_m": _rounded(hand.camera_xyz, "m"),
        "reference_bone": hand.reference_bone,
        "scale_m": _rounded(hand.scale, "m"),
        "assumed": hand.assumed,
    }
    json.dumps(values, allow_nan=False)
    return values


def csv_row(values: dict[str, Any]) -> Iterator[Any]:
    """Yields the cells of a record, in the order of `COLUMNS`; empty ones for null.

    Args:
        values: of `record`.
    """
    yield from (values[key] for key in ("source", *COLUMNS[1:8]))
    yield from values["box_px"]
    for points in (values["uv_px"], values["xyz_m"]):
        yield from (number for point in points for number in point)
    yield from values["joint_confidence"] or [None] * NUM_JOINTS


def _rounded(values: Any, unit: str) -> Any:
    if values is None:
        return None
    return np.asarray(values, dtype=np.float64).round(_DECIMALS[unit]).tolist()
