"""Understands the names that people give to a hand's keypoints and to its side.

Case, spaces, dashes, underscores, a side and the word "finger" do not matter: `thumb1`,
`THUMB_CMC`, `Left Thumb-CMC`, `forefinger1`, `index_finger_mcp`, `Pinky Tip` are understood.
"""

import re
from collections import defaultdict
from collections.abc import Sequence

from handpose.records import Side
from handpose.skeleton import FINGERS, NUM_JOINTS

_SIDES: dict[str, Side] = {
    **dict.fromkeys(("left", "l", "lh", "lefthand"), "left"),
    **dict.fromkeys(("right", "r", "rh", "righthand"), "right"),
}
_NO_MEANING = {"hand", "joint", "finger"}
_FINGERS = {
    "thumb": "thumb",
    **dict.fromkeys(("index", "fore", "pointer"), "index"),
    "middle": "middle",
    "ring": "ring",
    **dict.fromkeys(("little", "pinky", "pinkie", "small"), "little"),
}
_SAME_JOINT = {"tmc": "cmc", "mp": "mcp"}
_WRIST = ("wrist", "")
_JOINT = re.compile(rf"({'|'.join(_FINGERS)})(t?cmc|mc?p|pip|dip|ip|tip|\d)")
# The four joints of a finger from the palm out, as they are named.
_FROM_THE_PALM = (
    ("mcp", "pip", "dip", "tip"),
    ("1", "2", "3", "4"),
    ("0", "1", "2", "3"),
    ("1", "2", "3", "tip"),
)
_THUMB_FROM_THE_PALM = (("cmc", "mcp", "ip", "tip"), *_FROM_THE_PALM)
_SHOWN = 5


def joint_order(names: Sequence[str]) -> tuple[int, ...]:
    """Return where each of our joints is in a list of keypoint names: ours[j] = theirs[order[j]].

    Args:
        names: of the keypoints, in the order of the file.

    Raises:
        ValueError: the names are not those of a hand's 21 joints; says which are not understood.
    """
    if len(names) != NUM_JOINTS:
        raise ValueError(f"{len(names)} keypoint names, where {NUM_JOINTS} are expected")
    found = {name: _joint(name) for name in names}
    if unknown := [name for name, joint in found.items() if joint is None]:
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        raise ValueError(f"keypoint names not understood: {', '.join(unknown[:_SHOWN])}{more}")
    places: dict[tuple[str, str], int] = {}
    for place, name in enumerate(names):
        joint = found[name] or _WRIST
        if joint in places:
            raise ValueError(f"{names[places[joint]]} and {name} name the same joint")
        places[joint] = place
    if _WRIST not in places:
        raise ValueError("no keypoint is named wrist")
    return (places[_WRIST], *(places[joint] for joint in _along_fingers(places)))


def side_in(name: str) -> Side | None:
    """Return the side that a name says ("left_hand", "LeftHand", "R"), None if none or both."""
    sides = {_SIDES[word] for word in _words(name) if word in _SIDES}
    return sides.pop() if len(sides) == 1 else None


def _words(name: str) -> list[str]:
    """Return the words of a name in lower case, divided at capitals and digits too."""
    divided = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"[a-z]+|\d+", divided.lower())


def _joint(name: str) -> tuple[str, str] | None:
    """Return (finger, joint) of a keypoint name; None if it is not understood."""
    words = [w for w in _words(name) if w not in _SIDES and w not in _NO_MEANING]
    # The number of the joint: 01 is 1.
    text = "".join(str(int(word)) if word.isdigit() else word for word in words)
    if text == "wrist":
        return _WRIST
    match = _JOINT.fullmatch(text.replace("finger", ""))
    return match and (_FINGERS[match[1]], _SAME_JOINT.get(match[2], match[2]))


def _along_fingers(places: dict[tuple[str, str], int]) -> list[tuple[str, str]]:
    """Return the joints of the fingers in our order; raises ValueError for an unknown naming."""
    joints: dict[str, set[str]] = defaultdict(set)
    for finger, joint in places:
        joints[finger].add(joint)
    ordered: list[tuple[str, str]] = []
    for finger in FINGERS:
        namings = _THUMB_FROM_THE_PALM if finger == "thumb" else _FROM_THE_PALM
        naming = next((n for n in namings if set(n) == joints[finger]), None)
        if naming is None:
            named = ", ".join(sorted(joints[finger])) or "none"
            raise ValueError(f"the joints of {finger} are named {named}: not understood")
        ordered += [(finger, joint) for joint in naming]
    return ordered
