"""What is said of one hand. J = 21 joints in the order of `handpose.skeleton`."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handpose.records import Side

SCHEMA = Path(__file__).with_name("schema.json")
_DIGITS = {"px": 3, "m": 6}


class Hand(NamedTuple):
    """A hand in the frame of its picture; left hands are left hands."""

    uv: np.ndarray  # (J, 2) px of the picture
    xyz: np.ndarray  # (J, 3) metres from the wrist; x right, y down, z away from the camera
    camera_xyz: np.ndarray | None  # (J, 3) metres, camera frame; None without K and scale
    box: np.ndarray  # (3,) centre u, centre v, side, px: what was cropped about
    side: Side
    reference_bone: str  # "index" or "middle" (see `handpose.skeleton`)
    scale: float  # metres: its length, as given or assumed; refined depths change that of `xyz`
    assumed: list[str]  # a sentence for each thing that was not given


def as_record(hand: Hand, source: str, *, size: tuple[int, int], frame: int | None) -> str:
    """One line of JSON, as `schema.json` has it.

    Args:
        hand: what was predicted.
        source: the name of the picture, video or camera.
        size: (width, height) of the picture, px.
        frame: its number in a video or of a camera, from 0; None for a picture.

    Raises:
        ValueError: a number of it is not finite.
    """
    record: dict[str, Any] = {
        "source": source,
        "frame": frame,
        "width": size[0],
        "height": size[1],
        "side": hand.side,
        "box_px": _rounded(hand.box, "px"),
        "uv_px": _rounded(hand.uv, "px"),
        "xyz_m": _rounded(hand.xyz, "m"),
        "camera_xyz_m": None if hand.camera_xyz is None else _rounded(hand.camera_xyz, "m"),
        "reference_bone": hand.reference_bone,
        "scale_m": round(hand.scale, _DIGITS["m"]),
        "assumed": hand.assumed,
    }
    return json.dumps(record, allow_nan=False)


def _rounded(values: np.ndarray, unit: str) -> Any:
    return np.asarray(values, dtype=np.float64).round(_DIGITS[unit]).tolist()
