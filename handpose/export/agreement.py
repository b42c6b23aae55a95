"""An ONNX graph beside the model that it was made of. B batch, J = 21, S side of the crop.

The 2.5D pose has to agree to a tolerance in px and in mm. Of the pose in the camera no tolerance in
mm can be asked: the solved root depth is a quotient by the reference bone's length in px, so that
it multiplies what rounding leaves in u and v, and at a distance of a metre float32 itself has steps
of 6e-5 mm. It has to agree as a part of the distance.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from handpose.export.graph import INPUTS, OUTPUTS, ExportedModel
from handpose.hand import ROOT

BATCHES = (*(7,) * 14, 1, 1)  # 100 crops
_CAMERA = 1e-4
_LEAST_FOCAL, _MOST_FOCAL = 1.5, 6.0  # of a crop, in its sides


class Agreement(NamedTuple):
    """The largest differences over all crops and joints, for a hand of the mean size."""

    crops: int
    px: float  # of u and v
    mm: float  # of z, the depth from the wrist
    camera: float  # of xyz and the root depth, as a part of the latter
    xyz_mm: float  # of xyz from the wrist

    def holds(self, tolerance: float) -> bool:
        """Whether px and mm lie within it, and the pose in the camera within 1e-4 of its depth."""
        return self.px <= tolerance and self.mm <= tolerance and self.camera <= _CAMERA


def measure(model: ExportedModel, path: Path, *, image_size: int, bone: float) -> Agreement:
    """Both on the same 100 random crops and cameras, in batches of 7 and of 1.

    Args:
        model: in PyTorch, on the CPU.
        path: of the graph.
        image_size: S.
        bone: metres: of the reference bone.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = torch.zeros(4, dtype=torch.float64)
    for image, K in random_crops(image_size):
        with torch.no_grad():
            ours = model(image, K)
        fed = dict(zip(INPUTS, (image.numpy(), K.numpy()), strict=True))
        theirs = [torch.from_numpy(part) for part in session.run(list(OUTPUTS), fed)]
        worst = torch.maximum(worst, _differences(ours, theirs))
    px, z, camera, xyz = worst.tolist()
    return Agreement(sum(BATCHES), px, 1000 * bone * z, camera, 1000 * bone * xyz)


def _differences(ours: tuple[Tensor, ...], theirs: list[Tensor]) -> Tensor:
    """(4,) the largest of u and v (px), z (bones), all in the camera (parts), xyz (bones)."""
    (uvz, xyz, depth), (uvz_, xyz_, depth_) = (
        [part.double() for part in parts] for parts in (ours, theirs)
    )
    off = (uvz - uvz_).abs()
    from_wrist = (xyz - xyz[:, ROOT, None]) - (xyz_ - xyz_[:, ROOT, None])
    parts = (((xyz - xyz_) / depth[:, None, None]).abs().max(), (1 - depth_ / depth).abs().max())
    return torch.stack(
        [off[..., :2].max(), off[..., 2].max(), torch.maximum(*parts), from_wrist.abs().max()]
    )


def random_crops(image_size: int, *, seed: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of smooth random pictures (B, 3, S, S) uint8 and plausible K (B, 3, 3)."""
    rng = np.random.default_rng(seed)
    for count in BATCHES:
        coarse = torch.from_numpy(rng.uniform(-60, 315, (count, 3, 6, 6))).float()
        smooth = torch.nn.functional.interpolate(coarse, size=image_size, mode="bicubic")
        grain = torch.from_numpy(rng.normal(0, 8, smooth.shape)).float()
        focal = image_size * rng.uniform(_LEAST_FOCAL, _MOST_FOCAL, count)
        K = np.zeros((count, 3, 3))
        K[:, 0, 0], K[:, 1, 1], K[:, 2, 2] = focal, focal * rng.uniform(0.9, 1.1, count), 1
        K[:, :2, 2] = rng.uniform(-0.5, 1.5, (count, 2)) * image_size
        yield (smooth + grain).clamp(0, 255).to(torch.uint8), torch.from_numpy(K).float()
