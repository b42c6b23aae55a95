"""The hand's 21 joints: their order, bones, root and reference bones.

The order is that of FreiHAND, OpenPose and MediaPipe: the wrist, then four joints for each finger
from the palm out. Every array with a joint axis in this project is in this order.
"""

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

# The bone of length 1 in the 2.5D pose: wrist to index MCP, or to middle MCP.
REFERENCE_BONES: dict[str, tuple[int, int]] = {"index": (ROOT, 5), "middle": (ROOT, 9)}

# The bone whose length the FreiHAND protocol grants, and PeCLR's unit: middle MCP to middle PIP.
FREIHAND_SCALE_BONE = (9, 10)

# From other orders to ours: ours[j] = theirs[ORDER[j]].
# InterHand2.6M: of each hand the fingers from the thumb, each from the tip in, the wrist last.
INTERHAND_ORDER: tuple[int, ...] = (20, *(4 * f + 3 - k for f in range(5) for k in range(4)))
# MANO's regressor: the wrist, three each of index, middle, little, ring, thumb; then the tips that
# we append, thumb to little.
_MANO_FINGERS = (4, 0, 1, 3, 2)
MANO_ORDER: tuple[int, ...] = (
    0,
    *(
        joint
        for tip, finger in enumerate(_MANO_FINGERS)
        for joint in (*(1 + 3 * finger + k for k in range(3)), 16 + tip)
    ),
)


def by_finger(*fingers: int, from_tip: bool = False) -> tuple[int, ...]:
    """Return an order of the wrist and four joints for each finger.

    Args:
        fingers: in their order (0 thumb, 4 little finger).
        from_tip: each finger runs from the tip to the palm.
    """
    places = [1 + 4 * fingers.index(finger) for finger in range(5)]
    joints = range(3, -1, -1) if from_tip else range(4)
    return (0, *(place + joint for place in places for joint in joints))


# All orders with a name, as `dataset.joint_order` takes them.
JOINT_ORDERS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(
        ("ours", "freihand", "openpose", "mediapipe", "mmpose", "onehand10k", "panoptic"),
        tuple(range(NUM_JOINTS)),
    ),
    "interhand": INTERHAND_ORDER,
    "mano": MANO_ORDER,
    "ho3d": MANO_ORDER,
    # The wrist, each finger from the tip to the palm.
    "rhd": by_finger(*range(5), from_tip=True),
    # The wrist, five knuckles, then three joints for each finger.
    "bighand": (0, *(j for f in range(5) for j in (1 + f, *(6 + 3 * f + k for k in range(3))))),
}
# The vertices of MANO's mesh that are the fingertips, thumb to little finger.
MANO_TIP_VERTICES = (744, 320, 443, 555, 672)
