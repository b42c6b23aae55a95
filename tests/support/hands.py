"""Natural hands before a camera, and heads that say what a test wants them to say."""

import numpy as np
import torch
from torch import Tensor, nn

from handpose.data.synthetic.anatomy import pose_skeleton, sample_pose, sample_proportions
from handpose.geometry.camera import project
from handpose.heads.base import Head
from handpose.records import Features, Target
from handpose.skeleton import REFERENCE_BONES, ROOT

CROP = 64
CONTRACT = dict(
    channels=(8, 12, 16, 20),
    strides=(4, 8, 16, 32),
    embedding_dim=20,
    image_size=CROP,
    reference_bone="index",
    depth_weight=0.1,
    root="wrist",
    root_depth="solve",
    refine_weight=1.0,
)


class Fixed(Head):
    """Predicts `pose`, whatever it sees."""

    def __init__(self, pose: Tensor, **contract: object) -> None:
        super().__init__(**{**CONTRACT, **contract})
        self.pose = nn.Parameter(pose.clone())

    def predict_uvz(self, features: Features, embedding: Tensor) -> tuple[Tensor, Tensor]:
        return self.pose, self.pose.new_empty(len(self.pose), 0)


def hands(
    count: int, *, seed: int, depth: tuple[float, float] = (0.45, 0.95), size: float = 1.0
) -> tuple[Tensor, Tensor]:
    """xyz (N, J, 3) metres, turned at most half a radian, and K (N, 3, 3) of a crop about each.

    Args:
        count: N.
        seed: of the draw.
        depth: metres to the wrist, from and to.
        size: of the hands, adults' being 1.
    """
    rng = np.random.default_rng(seed)
    poses, cameras = [], []
    for _ in range(count):
        build = sample_proportions(rng)
        joints = pose_skeleton(sample_pose(rng, build).angles, build).joints
        axis = rng.uniform(-0.3, 0.3, 3)
        skew = np.cross(np.eye(3), axis)
        turn = np.linalg.solve(np.eye(3) + skew, np.eye(3) - skew)  # Cayley's rotation
        xyz = size * joints @ turn.T + [0.0, 0.0, rng.uniform(*depth)]
        uv = xyz[:, :2] / xyz[:, 2:]
        focal = 0.7 * CROP / np.ptp(uv, axis=0).max()
        centre = CROP / 2 - focal * uv.mean(axis=0)
        poses.append(xyz)
        cameras.append([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]])
    return tuple(torch.from_numpy(np.array(array)).float() for array in (poses, cameras))


def xyz_to_uvz(xyz: Tensor, K: Tensor, bone: tuple[int, int]) -> Tensor:
    """The 2.5D pose (B, J, 3) of xyz (B, J, 3) metres: px, px, (z - z_root) / bone length."""
    length = (xyz[:, bone[1]] - xyz[:, bone[0]]).norm(dim=-1)
    z = (xyz[..., 2] - xyz[:, ROOT, None, 2]) / length[:, None]
    return torch.cat((project(K, xyz), z[..., None]), dim=-1)


def labelled(count: int, *, seed: int, reference_bone: str = "index") -> Target:
    """Complete labels of `hands`."""
    xyz, K = hands(count, seed=seed)
    ends = REFERENCE_BONES[reference_bone]
    bone = (xyz[:, ends[1]] - xyz[:, ends[0]]).norm(dim=-1)
    joints = torch.ones(count, 21, dtype=torch.bool)
    return Target(
        image=torch.zeros(count, 3, CROP, CROP, dtype=torch.uint8),
        uvz=xyz_to_uvz(xyz, K, ends),
        xyz=xyz,
        K=K,
        bone=bone,
        granted_scale=torch.ones(count),
        scale_valid=torch.zeros(count, dtype=torch.bool),
        uv_valid=joints,
        xyz_valid=joints,
        z_valid=joints,
        K_valid=torch.ones(count, dtype=torch.bool),
        affine=torch.eye(2, 3).expand(count, 2, 3),
        is_left=torch.zeros(count, dtype=torch.bool),
        index=torch.arange(count),
    )
