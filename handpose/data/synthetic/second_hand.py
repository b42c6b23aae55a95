"""A second hand, of another build, left or right, that crosses or touches the labelled one.

Camera frame, metres. The second hand has no labels.
"""

import numpy as np

from handpose.data.synthetic.anatomy import sample_pose, sample_proportions
from handpose.data.synthetic.mesh import Mesh
from handpose.data.synthetic.person import sample_sleeve
from handpose.data.synthetic.raster import Fragments, rasterise
from handpose.data.synthetic.scene import (
    PosedHand,
    build_hand,
    dress,
    image_points,
    random_rotation,
)

_APART = (0.03, 0.12)  # metres between the middles of the two palms, across the line of sight
_VIEWS = 8  # orientations to choose from
_BETWEEN = 0.014  # metres between the surfaces of the two hands, where one is before the other
_SCALES = (0.72, 1.4)  # of the second hand, when it is moved along its rays
_PALM = (0, 5, 9, 17)  # joints around the palm


def sample_second_hand(rng: np.random.Generator, first: PosedHand) -> PosedHand:
    """Draw another hand beside the first, whose arm comes from the other side.

    Args:
        rng: source of all randomness.
        first: the labelled hand.
    """
    proportions = sample_proportions(rng)
    pose = sample_pose(rng, proportions)
    mirror = np.diag([rng.choice([-1.0, 1.0]), 1.0, 1.0])
    middle = first.joints[list(_PALM)].mean(axis=0)
    towards = rng.uniform(-np.pi, np.pi)
    across = np.array([np.cos(towards), np.sin(towards), 0.0])
    views = [random_rotation(rng) @ mirror for _ in range(_VIEWS)]
    # The forearm points along -y: away from the first hand, and roughly across the line of sight.
    view = max(views, key=lambda turned: -turned[:, 1] @ across - 0.5 * abs(turned[2, 1]))
    palm = np.array([0.0, 0.06, 0.0])
    place = middle + across * rng.uniform(*_APART) - view @ palm
    hand, forearm = build_hand(pose, proportions, view, place)
    return dress(hand._replace(K=first.K), sample_sleeve(rng), forearm)


def draw_beside(
    second: PosedHand, fine: int, scale: float | np.float32, scene: np.ndarray, before: bool
) -> tuple[PosedHand, Fragments] | None:
    """Move the second hand along its rays, so that it lies before or behind the scene, and draw it.

    Its silhouette stays, and it gets larger or smaller by the same factor.

    Args:
        second: the second hand.
        fine: side of the image in px.
        scale: px of that image per px of the frame of K.
        scene: (fine * fine,) depth in metres of what it must not cut, 0 where there is nothing.
        before: whether it lies before the scene, else behind it.

    Returns:
        The moved hand and its fragments; None where it would get too large or too small, or if it
        is outside the image.
    """
    points = image_points(second.K, second.mesh.vertices, scale)
    fragments = rasterise(points, second.mesh.vertices[:, 2], second.mesh.faces, fine)
    behind = scene[fragments.pixel]
    shared = behind > 0
    factor = 1.0
    if shared.any():
        gaps = (behind[shared] + (-_BETWEEN if before else _BETWEEN)) / fragments.depth[shared]
        factor = float(gaps.min() if before else gaps.max())
    if not len(fragments.pixel) or not _SCALES[0] < factor < _SCALES[1]:
        return None
    vertices = second.mesh.vertices * np.float32(factor)
    mesh = Mesh(vertices, second.mesh.normals, second.mesh.faces)
    moved = second._replace(mesh=mesh, joints=second.joints * np.float32(factor))
    return moved, fragments._replace(depth=fragments.depth * np.float32(factor))
