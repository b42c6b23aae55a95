"""The skin: the mesher, the mesh at rest and how it follows the bones."""

import numpy as np

from handpose.data.synthetic.anatomy import MEAN_PROPORTIONS, pose_skeleton, rotation
from handpose.data.synthetic.mesh import REST, hand_distance, rest_mesh, surface_net
from handpose.data.synthetic.skinning import bone_maps, skin, skin_weights


def test_a_ball_is_meshed_as_a_closed_ball_that_faces_outwards() -> None:
    axis = np.linspace(-1.0, 1.0, 21)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    vertices, faces = surface_net(np.linalg.norm(grid, axis=-1) - 0.7, np.full(3, -1.0), 0.1)
    np.testing.assert_allclose(np.linalg.norm(vertices, axis=1), 0.7, atol=0.02)
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6
    assert abs(volume / (4 / 3 * np.pi * 0.7**3) - 1) < 0.03
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()


def test_every_joint_lies_inside_the_flesh() -> None:
    depth = -hand_distance(REST.joints)
    assert (depth > 0.002).all()
    tips = REST.joints[4::4]
    beyond = tips + 0.012 * REST.frames[:, 2, :, 1]
    assert (hand_distance(beyond) > 0.002).all()


def test_weights_are_shares() -> None:
    weights = skin_weights()
    assert weights.shape == (len(rest_mesh().vertices), 21)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-5)


def test_the_mean_hand_at_rest_stays_where_it_is() -> None:
    vertices, normals = skin(bone_maps(REST, MEAN_PROPORTIONS, np.zeros(2)))
    np.testing.assert_allclose(vertices, rest_mesh().vertices, atol=1e-6)
    np.testing.assert_allclose(normals, rest_mesh().normals, atol=1e-5)


def test_a_bent_finger_leaves_the_others_alone() -> None:
    angles = np.zeros((5, 4))
    angles[1, 1:] = 1.0
    maps = bone_maps(pose_skeleton(angles, MEAN_PROPORTIONS), MEAN_PROPORTIONS, np.zeros(2))
    moved = np.linalg.norm(skin(maps)[0] - rest_mesh().vertices, axis=1)
    rest = rest_mesh().vertices
    assert moved[np.linalg.norm(rest - REST.joints[8], axis=1) < 0.01].min() > 0.02
    assert moved[np.linalg.norm(rest - REST.joints[12], axis=1) < 0.01].max() < 1e-6


def test_the_wrist_moves_the_forearm_only() -> None:
    maps = bone_maps(REST, MEAN_PROPORTIONS, np.array([0.0, 0.3]))
    rest, (vertices, _) = rest_mesh().vertices, skin(maps)
    arm, fingers = rest[:, 1] < -0.1, rest[:, 1] > 0.1
    np.testing.assert_allclose(vertices[arm], rest[arm] @ rotation("z", 0.3).T, atol=2e-4)
    np.testing.assert_allclose(vertices[fingers], rest[fingers], atol=1e-6)
