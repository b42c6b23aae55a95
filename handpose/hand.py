"""The hand's 21 joints: their order, bones, root and reference bones.

The order is that of FreiHAND, OpenPose and MediaPipe: the wrist, then four joints for each finger
from the palm out. Every array with a joint axis in this project is in this order.
"""

from typing import Literal

FINGERS = ("thumb", "index", "middle", "ring", "little")
_KNUCKLES = ("MCP", "PIP", "DIP", "tip")
_THUMB_KNUCKLES = ("CMC", "MCP", "IP", "tip")

JOINT_NAMES: tuple[str, ...] = (
    "wrist",
    *(f"thumb {knuckle}" for knuckle in _THUMB_KNUCKLES),
    *(f"{finger} {knuckle}" for finger in FINGERS[1:] for knuckle in _KNUCKLES),
)
NUM_JOINTS = len(JOINT_NAMES)

ROOT = 0

# (parent, child), four for each finger, from the wrist out.
BONES: tuple[tuple[int, int], ...] = tuple(
    (ROOT if knuckle == 0 else first + knuckle - 1, first + knuckle)
    for first in (1, 5, 9, 13, 17)
    for knuckle in range(4)
)

# The bone of length 1 in the 2.5D pose: wrist to index MCP (ours), or to middle MCP (PeCLR's).
ReferenceBone = Literal["index", "middle"]
REFERENCE_BONES: dict[str, tuple[int, int]] = {"index": (ROOT, 5), "middle": (ROOT, 9)}

# The bone whose length the FreiHAND protocol grants: middle MCP to middle PIP.
FREIHAND_SCALE_BONE = (9, 10)
