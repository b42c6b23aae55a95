"""Every deliberate mistake is caught with its likely cause; what cannot be seen is listed.

Each is made in 3D beside right 2D labels, in 3D alone (the 2D is its projection), or in 2D alone.
"""

import re
from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np
import pytest
from natural_hands import flat, natural_hands, reordered

from handpose.data.label_checks.hands import Hands
from handpose.data.label_checks.per_source import Verdict, judge, judge_in_images
from handpose.geometry.camera import project
from handpose.skeleton import FINGERS, JOINT_ORDERS, by_finger

MANY = 400
NOTHING = Verdict(None, None)
WIDTH, HEIGHT = 640, 480  # px
Change = Callable[[Hands], Hands]


@pytest.fixture(scope="module")
def hands() -> Hands:
    """Anywhere in a larger image."""
    some, random = natural_hands(MANY, seed=7), np.random.default_rng(7)
    start = random.uniform(0, [WIDTH - 256, HEIGHT - 256], (MANY, 2))
    K, box = some.K.copy(), some.box.copy()
    K[:, :2, 2] += start
    box[:, :2] += start
    size = np.tile([[float(WIDTH), float(HEIGHT)]], (MANY, 1))
    return some._replace(uv=some.uv + start[:, None], K=K, box=box, size=size)


def in_3d(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Beside right 2D labels."""
    return lambda hands: hands._replace(xyz=change(hands.xyz))


def alone(change: Change) -> Change:
    """The 2D labels are the projection of the changed ones."""

    def act(hands: Hands) -> Hands:
        changed = change(hands)
        return changed._replace(uv=project(changed.K, changed.xyz))

    return act


def in_2d(change: Callable[[Hands], np.ndarray]) -> Change:
    """In 2D alone."""
    return lambda hands: flat(hands)._replace(uv=change(hands))


def order_of(*fingers: int, **how: bool) -> Change:
    return lambda hands: reordered(hands, by_finger(*fingers, **how))


def flipped_depth(xyz: np.ndarray) -> np.ndarray:
    flipped = xyz.copy()
    flipped[..., 2] = 2 * xyz[:, :1, 2] - xyz[..., 2]
    return flipped


def nearer(hands: Hands) -> Hands:
    """At 0.25 m, where depths show in the image."""
    xyz = hands.xyz.copy()
    xyz[..., 2] += 0.25 - xyz[:, :1, 2]
    uv = project(hands.K, xyz)
    low, high = uv.min(axis=1), uv.max(axis=1)
    box = np.column_stack(((low + high) / 2, (high - low).max(axis=1)))
    return hands._replace(xyz=xyz, uv=uv, box=box)


def in_the_world(xyz: np.ndarray) -> np.ndarray:
    """Before a camera that looks down: all joints are in front of the world's origin too."""
    angle = np.radians(50)
    cos, sin = np.cos(angle), np.sin(angle)
    return xyz @ np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]).T + [0.2, 0.6, 1.0]


def with_sides(choose: Callable[[np.ndarray], np.ndarray]) -> Change:
    return lambda hands: hands._replace(is_left=choose(hands.is_left))


def mirrored_left(hands: Hands) -> Hands:
    xyz = hands.xyz.copy()
    xyz[hands.is_left, :, 0] *= -1
    return hands._replace(xyz=xyz, uv=np.full_like(hands.uv, np.nan))


def with_crop(scale: float) -> Change:
    """uv of a crop about each box; K of the whole image."""

    def act(hands: Hands) -> Hands:
        corner = hands.box[:, None, :2] - hands.box[:, None, 2:] / 2
        return hands._replace(uv=scale * (hands.uv - corner))

    return act


def without_camera(hands: Hands) -> Hands:
    depth = 400 * (hands.xyz[..., 2:] - hands.xyz[:, :1, 2:])
    xyz = np.concatenate((hands.uv, depth), axis=2)
    return hands._replace(xyz=xyz, K=np.full_like(hands.K, np.nan))


def upside_down(hands: Hands) -> np.ndarray:
    return np.array([0, HEIGHT - 1]) + hands.uv * [1, -1]


def left_right(hands: Hands) -> np.ndarray:
    return np.array([WIDTH - 1, 0]) + hands.uv * [-1, 1]


def swaps() -> Iterator[tuple[str, Change, str]]:
    for one, other in combinations(range(5), 2):
        fingers = list(range(5))
        fingers[one], fingers[other] = other, one
        words = f"the {FINGERS[one]} and the {FINGERS[other]} finger swapped"
        yield f"{FINGERS[one]} and {FINGERS[other]} finger", order_of(*fingers), words


ORDERS = [
    *swaps(),
    ("thumb last", order_of(1, 2, 3, 4, 0), "wrist, index finger to little finger, thumb last"),
    ("tips first", order_of(*range(5), from_tip=True), "RHD's .*from the tip to the palm"),
    ("fingers reversed", order_of(4, 3, 2, 1, 0), "wrist, fingers from little to thumb"),
    (
        "fingers reversed, tips first",
        order_of(4, 3, 2, 1, 0, from_tip=True),
        "wrist, fingers from little to thumb, each from the tip to the palm",
    ),
    (
        "long fingers reversed",
        order_of(0, 4, 3, 2, 1),
        "thumb, little, ring, middle, index, each from the palm to the tip",
    ),
    ("MANO", lambda hands: reordered(hands, JOINT_ORDERS["mano"]), "MANO's and HO-3D's"),
    ("InterHand2.6M", lambda h: reordered(h, JOINT_ORDERS["interhand"]), "InterHand2.6M's"),
    ("BigHand2.2M", lambda hands: reordered(hands, JOINT_ORDERS["bighand"]), "BigHand2.2M's"),
    *(
        (
            f"{name} twice",
            lambda hands, name=name: reordered(hands, np.argsort(JOINT_ORDERS[name])),
            f"{words} conversion, applied to joints that were in our order already",
        )
        for name, words in (("mano", "MANO's"), ("interhand", "InterHand2.6M's"))
    ),
    (
        "wrist last",
        lambda hands: reordered(hands, (20, *range(20))),
        "thumb, index, middle, ring, little, each from the palm to the tip, wrist last",
    ),
]
BACKWARDS = "bend their fingers backwards"
# What is wrong, and the words for it.
MISTAKES: dict[str, tuple[Change, str]] = {
    **{name: (make, f"in 100% of the hands: .*{words}") for name, make, words in ORDERS},
    **{
        f"{name}, 2D": (lambda hands, make=make: flat(make(hands)), f"of the hands: .*{words}")
        for name, make, words in ORDERS
    },
    "millimetres": (in_3d(lambda xyz: 1000 * xyz), "xyz is in millimetres.*Divide xyz by 1000"),
    "centimetres": (in_3d(lambda xyz: 100 * xyz), "xyz is in centimetres.*Divide xyz by 100"),
    "inches": (in_3d(lambda xyz: 39.37 * xyz), "xyz is in inches.*Divide xyz by 39.37"),
    "depth": (lambda h: in_3d(flipped_depth)(nearer(h)), "z is flipped about the wrist"),
    "depth, far": (in_3d(flipped_depth), f"{BACKWARDS}, .*z is flipped|: z is flipped"),
    "depth, alone": (alone(in_3d(flipped_depth)), f"{BACKWARDS}: .* an axis of xyz is flipped"),
    "y up": (in_3d(lambda xyz: xyz * [1, -1, 1]), "y points up, it seems. Negate y"),
    "y up, alone": (alone(in_3d(lambda xyz: xyz * [1, -1, 1])), f"{BACKWARDS}: .* an axis of xyz"),
    "x left": (in_3d(lambda xyz: xyz * [-1, 1, 1]), "x points left, it seems. Negate x"),
    "x left, alone": (alone(in_3d(lambda xyz: xyz * [-1, 1, 1])), f"{BACKWARDS}: .* an axis of"),
    "OpenGL": (in_3d(lambda xyz: xyz * [1, -1, -1]), "OpenGL's frame"),
    "world": (in_3d(in_the_world), "xyz is in the frame of the world"),
    "world, alone": (
        alone(in_3d(in_the_world)),
        "have most joints outside of their (image|box): .* xyz and K, .* are of another frame",
    ),
    "relative": (in_3d(lambda xyz: xyz - xyz[:, :1]), "relative to a joint or to the world"),
    "mirrored image": (lambda h: h._replace(uv=left_right(h)), "uv is of the mirrored image"),
    "mirrored image, 2D": (in_2d(left_right), "outside of their box: uv is of the mirrored image"),
    "sides": (with_sides(lambda is_left: ~is_left), f"most hands {BACKWARDS}: left and right are"),
    "left mirrored": (mirrored_left, rf"\d+% of the left hands {BACKWARDS}, and 0% of the right"),
    "all called right": (
        with_sides(np.zeros_like),
        f"of the right hands {BACKWARDS}: hands of both sides are called right",
    ),
    "a third of the left called right": (
        with_sides(lambda is_left: is_left & (np.arange(len(is_left)) % 3 > 0)),
        f"of the right hands {BACKWARDS}, and 0% of the left ones: hands of both sides",
    ),
    "K of the large image": (lambda h: h._replace(uv=h.uv / 2), "K is of an image 2 times as lar"),
    "K of the small image": (lambda h: h._replace(uv=h.uv * 2), "K is of an image 0.5 times as"),
    "K of the whole image": (with_crop(1.0), "K is of the image before it was cropped"),
    "K of the whole image, resized": (with_crop(0.7), "K is of the image before it was cropped"),
    "v, u": (lambda h: h._replace(uv=h.uv[..., ::-1]), "u and v are swapped, it seems. Write u"),
    "v, u, 2D": (in_2d(lambda h: h.uv[..., ::-1]), "outside of their box: u and v are swapped"),
    "v from below, 2D": (in_2d(upside_down), "of their box: v is counted from the lower edge"),
    "larger image, 2D": (
        in_2d(lambda h: 2 * h.uv),
        "uv is in px of an image about 2 times as large",
    ),
    "smaller image, 2D": (
        in_2d(lambda h: h.uv / 2),
        "uv is in px of an image about 0.5 times as large",
    ),
    "from the box, 2D": (
        lambda h: flat(with_crop(1.0)(h)),
        "uv counts from the corner of the box, it seems. Add the corner",
    ),
    "normalised, 2D": (in_2d(lambda h: h.uv / [WIDTH, HEIGHT]), "uv is normalised, it seems"),
}
# In 2D alone a hand from the back looks like the other hand from the palm.
CANNOT_BE_SEEN = {"sides, 2D": lambda hands: flat(with_sides(lambda is_left: ~is_left)(hands))}


def words_about(hands: Hands) -> str:
    """What training and the doctor say of a source, as when its index is built."""
    found = judge(hands._replace(size=np.full_like(hands.size, np.nan)))
    return str(found.fault or judge_in_images(hands).fault)


def test_right_labels_pass(hands: Hands) -> None:
    for right in (hands, flat(hands), without_camera(hands)):
        assert judge(right) == judge_in_images(right) == NOTHING
    assert judge(nearer(hands)) == NOTHING


@pytest.mark.parametrize("mistake", MISTAKES)
def test_it_is_refused_with_the_likely_cause(mistake: str, hands: Hands) -> None:
    make, words = MISTAKES[mistake]
    assert re.search(words, words_about(make(hands)))


@pytest.mark.parametrize("mistake", [name for name in MISTAKES if "image" not in name])
def test_thirty_hands_are_enough(mistake: str, hands: Hands) -> None:
    """In 2D for a warning at least."""
    make, _ = MISTAKES[mistake]
    some = make(Hands(*(column[:30] for column in hands)))
    assert words_about(some) != "None" or (judge(some).warning and "2D" in mistake)


@pytest.mark.parametrize("mistake", CANNOT_BE_SEEN)
def test_what_cannot_be_seen(mistake: str, hands: Hands) -> None:
    assert words_about(CANNOT_BE_SEEN[mistake](hands)) == "None"


def test_relative_depth_towards_the_camera_is_a_warning(hands: Hands) -> None:
    some = without_camera(hands)
    verdict = judge(some._replace(xyz=some.xyz * [1, 1, -1]))
    assert verdict.fault is None
    assert "relative depth points to the camera" in str(verdict.warning)


def test_joints_of_a_smaller_image_without_boxes_are_a_warning(hands: Hands) -> None:
    some = flat(hands)._replace(uv=hands.uv / 2, box=np.full_like(hands.box, np.nan))
    verdict = judge_in_images(some)
    assert verdict.fault is None
    assert re.search(r"upper left \d+% x \d+% of their images", str(verdict.warning))
