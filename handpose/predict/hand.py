"""One hand: what the caller knows of it (`Given`) and what is predicted (`Hand`).

J = 21 joints in the order of `handpose.skeleton`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from handpose.data.synthetic.anatomy import mean_reach
from handpose.detect.base import Detection
from handpose.predict.arguments import given_problems
from handpose.records import Sample, Side
from handpose.skeleton import JOINT_NAMES, NUM_JOINTS, REFERENCE_BONES

_MIN_IMAGE_SIDE = 16  # px


class Given(NamedTuple):
    """What is known of a hand. All of it is optional; `Hand.assumed` says what replaced it."""

    box: tuple[float, float, float] | None = None  # centre u, centre v, side, px of the image
    K: np.ndarray | None = None  # (3, 3) of the image
    side: Side | None = None
    scale: float | None = None  # metres: length of the reference bone
    score: float | None = None  # 0..1, of the detector that found the hand
    box_note: str | None = None  # where the box is from if the caller did not give it


class Hand(NamedTuple):
    """A predicted hand in the frame of its image; left hands are left hands."""

    uv: np.ndarray  # (J, 2) px of the image
    xyz: np.ndarray  # (J, 3) metres from the wrist; x right, y down, z away from the camera
    camera_xyz: np.ndarray | None  # (J, 3) metres, camera frame; None without K and scale
    box: np.ndarray  # (3,) centre u, centre v, side, px: the square that was cropped
    side: Side
    reference_bone: str  # "index" or "middle" (see `handpose.skeleton`)
    scale: float  # metres: its length, given or assumed; refined depths change that of `xyz`
    assumed: list[str]  # one sentence for each thing that was not given
    joint_confidence: np.ndarray | None = None  # (J,) in 0..1; None if the model has none
    confidence: float | None = None  # of the whole hand, in 0..1; None if the model has none
    confidence_note: str = ""  # why there is none, or why it is not calibrated; empty if it is
    score: float | None = None  # in 0..1, of the detector; None without one
    track: int | None = None  # the same number for the same hand of a video; None in an image


NOTHING = Given()


def check_given(given: Given) -> None:
    """Raises ValueError with everything that is wrong with `given`."""
    problems = given_problems(given.box, given.K, given.scale)
    if given.side not in (None, "left", "right"):
        problems.append(f"side {given.side}: choose left or right")
    if problems:
        raise ValueError("; ".join(problems))


def low_joints(hand: Hand, min_confidence: float | None) -> tuple[bool, np.ndarray]:
    """Returns whether a hand's confidence is below a limit, and which joints' (J,) bool.

    Args:
        hand: without confidence, nothing is low.
        min_confidence: the limit in 0..1; None: nothing is low.
    """
    if min_confidence is None or hand.joint_confidence is None or hand.confidence is None:
        return False, np.zeros(NUM_JOINTS, dtype=bool)
    return hand.confidence < min_confidence, hand.joint_confidence < min_confidence


def detected(found: Sequence[Detection], given: Given, shape: tuple[int, ...]) -> list[Given]:
    """Returns what is known of detected hands; one whose centre is off the image is left out.

    Args:
        found: by a detector.
        given: what is known of all hands; its box is not used.
        shape: of the image: (H, W, 3).
    """
    return [
        given._replace(box=(u, v, side), side=given.side or hand.side, score=hand.score)
        for hand in found
        for u, v, side in [map(float, hand.box)]
        if -0.5 <= u <= shape[1] - 0.5 and -0.5 <= v <= shape[0] - 0.5 and side >= 1
    ]


def as_sample(image: np.ndarray, given: Given) -> Sample:
    """Makes an unlabelled sample of an image; its box is the centre square if none is given.

    Args:
        image: (H, W, 3) uint8 RGB.

    Raises:
        ValueError: the image is too small, or the box lies outside of it.
    """
    height, width = image.shape[:2]
    if min(height, width) < _MIN_IMAGE_SIDE:
        raise ValueError(
            f"too small, {width} x {height} px; each side needs at least {_MIN_IMAGE_SIDE} px"
        )
    box = given.box or ((width - 1) / 2, (height - 1) / 2, min(width, height))
    if not (-0.5 <= box[0] <= width - 0.5 and -0.5 <= box[1] <= height - 0.5):
        centre = f"({box[0]:g}, {box[1]:g})"
        raise ValueError(f"the box's centre {centre} is outside the image, {width} x {height} px")
    unlabelled = np.zeros(NUM_JOINTS, dtype=bool)
    return Sample(
        image=image,
        uv=np.zeros((NUM_JOINTS, 2), np.float32),
        xyz=np.zeros((NUM_JOINTS, 3), np.float32),
        K=(np.eye(3) if given.K is None else np.asarray(given.K)).astype(np.float32),
        uv_valid=unlabelled,
        xyz_valid=unlabelled,
        box=np.array(box, dtype=np.float32),
        side=given.side or "right",
        key="",
    )


def mean_bone(reference_bone: str) -> float:
    """Returns the length in metres of a mean adult's reference bone (of the synthetic hands)."""
    return mean_reach(REFERENCE_BONES[reference_bone][1])


def assumptions(given: Given, *, reference_bone: str) -> list[str]:
    """Returns one sentence for each thing that was not given.

    Args:
        reference_bone: "index" or "middle".
    """
    start, end = (JOINT_NAMES[joint] for joint in REFERENCE_BONES[reference_bone])
    sentences = {
        "side": "side: right hand, no side was given",
        "box": f"box: {given.box_note}",
        "K": "camera: weak perspective, no camera matrix was given; the hand's position is unknown "
        "and its depth less certain",
        "scale": f"scale: {1000 * mean_bone(reference_bone):.1f} mm from the {start} to the {end}, "
        "as of a mean adult; all lengths in metres are proportional to it",
    }
    own = given._replace(box=None) if given.box_note else given
    return [text for name, text in sentences.items() if getattr(own, name) is None]
