"""An ONNX graph beside the model that it was made of. B batch, J = 21, S side of the crop.

Both compute in float32, and what that leaves of rounding depends on the network: one that was
trained agrees to 1e-4 px and mm, one of random weights multiplies its rounding. So PyTorch's own
rounding is measured beside, as its difference to itself with a network in float64, and a graph may
differ by the tolerance or by a few times that. In the camera lengths are judged as parts of the
distance: the solved root depth, a quotient by the reference bone's length in px, multiplies what
rounding leaves in u and v, and at a metre float32 itself has steps of 6e-5 mm.
"""

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from handpose.export.graph import INPUTS, OUTPUTS, ExportedModel
from handpose.skeleton import ROOT

BATCHES = (*(7,) * 14, 1, 1)  # 100 crops
_SLACK = 4  # times PyTorch's own rounding
_MOST = 0.05  # px, and mm: more is no rounding
_CAMERA, _MOST_CAMERA = 1e-4, 1e-2  # the same in the camera, as parts of the distance
_LEAST_FOCAL, _MOST_FOCAL = 1.5, 6.0  # of a crop, in its sides


class Differences(NamedTuple):
    """The largest over all crops and joints, for a hand of the mean size."""

    px: float  # of u and v
    mm: float  # of z, the depth from the wrist
    camera: float  # of xyz and the root depth, as a part of the latter
    xyz_mm: float  # of xyz from the wrist


class Agreement(NamedTuple):
    """A graph's differences to PyTorch, beside PyTorch's to itself in float64."""

    crops: int
    graph: Differences
    rounding: Differences

    def holds(self, tolerance: float) -> bool:
        """Whether the graph differs by no more than `tolerance` (px, mm) or rounding explains."""
        g, r = self.graph, self.rounding
        return (
            g.px <= min(max(tolerance, _SLACK * r.px), _MOST)
            and g.mm <= min(max(tolerance, _SLACK * r.mm), _MOST)
            and g.camera <= min(max(_CAMERA, _SLACK * r.camera), _MOST_CAMERA)
        )


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
    precise = _in_float64(model)
    graph, rounding = torch.zeros(2, 4, dtype=torch.float64)
    for image, K in random_crops(image_size):
        with torch.no_grad():
            ours, exact = model(image, K), precise(image, K)
        fed = dict(zip(INPUTS, (image.numpy(), K.numpy()), strict=True))
        theirs = [torch.from_numpy(part) for part in session.run(list(OUTPUTS), fed)]
        graph = torch.maximum(graph, _differences(ours, theirs))
        rounding = torch.maximum(rounding, _differences(ours, exact))
    units = torch.tensor([1, 1000 * bone, 1, 1000 * bone], dtype=torch.float64)
    return Agreement(
        sum(BATCHES), *(Differences(*(worst * units).tolist()) for worst in (graph, rounding))
    )


def _in_float64(model: ExportedModel) -> ExportedModel:
    """A copy whose layers compute in float64; the head's geometry stays in float32."""
    precise = copy.deepcopy(model).double()
    if precise.model.head.refiner is not None:
        precise.model.head.refiner.float()
    precise.model.backbone.register_forward_pre_hook(lambda _, images: (images[0].double(),))
    return precise


def _differences(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> Tensor:
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
