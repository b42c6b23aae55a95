"""What is known of a picture beside its pixels, and what is assumed where it is not."""

from typing import NamedTuple

import numpy as np

from handpose.config.prediction import given_problems
from handpose.data.synthetic.anatomy import mean_reach
from handpose.records import Sample, Side
from handpose.skeleton import JOINT_NAMES, NUM_JOINTS, REFERENCE_BONES

_LEAST_SIDE = 16  # px of a picture


class Given(NamedTuple):
    """All of it may be left out; what takes its place is said in `Hand.assumed`."""

    box: tuple[float, float, float] | None = None  # centre u, centre v, side, px of the picture
    K: np.ndarray | None = None  # (3, 3) of the picture
    side: Side | None = None
    scale: float | None = None  # metres: the length of the reference bone


NOTHING = Given()


def check_given(given: Given) -> None:
    """Raises ValueError with all that is wrong with it."""
    problems = given_problems(given.box, given.K, given.scale)
    if given.side not in (None, "left", "right"):
        problems.append(f"side {given.side}: expected is left or right")
    if problems:
        raise ValueError("; ".join(problems))


def as_sample(image: np.ndarray, given: Given) -> Sample:
    """A picture (H, W, 3) uint8 RGB as a hand without labels; the centre square, without a box.

    Raises:
        ValueError: the picture is too small, or the box lies beside it.
    """
    height, width = image.shape[:2]
    if min(height, width) < _LEAST_SIDE:
        raise ValueError(
            f"too small, {width} x {height} px; at least {_LEAST_SIDE} px each way are needed"
        )
    box = given.box or ((width - 1) / 2, (height - 1) / 2, min(width, height))
    if not (-0.5 <= box[0] <= width - 0.5 and -0.5 <= box[1] <= height - 0.5):
        raise ValueError(
            f"the box's centre ({box[0]:g}, {box[1]:g}) lies beside the picture, "
            f"{width} x {height} px"
        )
    nothing = np.zeros(NUM_JOINTS, dtype=bool)
    return Sample(
        image=image,
        uv=np.zeros((NUM_JOINTS, 2), np.float32),
        xyz=np.zeros((NUM_JOINTS, 3), np.float32),
        K=(np.eye(3) if given.K is None else np.asarray(given.K)).astype(np.float32),
        uv_valid=nothing,
        xyz_valid=nothing,
        box=np.array(box, dtype=np.float32),
        side=given.side or "right",
        key="",
    )


def mean_bone(reference_bone: str) -> float:
    """Length in metres of the reference bone of a mean adult: that of the synthetic hands."""
    return mean_reach(REFERENCE_BONES[reference_bone][1])


def assumptions(given: Given, *, reference_bone: str, box: str) -> list[str]:
    """A sentence for each thing that was not given; `box` is that about the box."""
    start, end = (JOINT_NAMES[joint] for joint in REFERENCE_BONES[reference_bone])
    bone = f"{1000 * mean_bone(reference_bone):.1f} mm"
    said = {
        "side": "side: a right hand, as none was given",
        "box": f"box: {box}",
        "K": "camera: weak perspective, as no camera matrix was given: nothing is said of where "
        "the hand is, and its depth is less certain",
        "scale": f"scale: {bone} from the {start} to the {end}, as of a mean adult; every length "
        "in metres is in proportion to it",
    }
    return [text for name, text in said.items() if getattr(given, name) is None]
