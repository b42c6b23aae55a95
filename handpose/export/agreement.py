"""Compares an ONNX graph with the model it was made of. B batch, J = 21, S side of the crop.

Both compute in float32, and the rounding error depends on the network: a trained one agrees to
1e-4 px and mm, random weights amplify it. So PyTorch's own rounding is measured too, as its
difference from the same network in float64, and the graph may differ by a few times that. In the
camera frame, lengths are compared relative to the distance: the solved root depth divides by the
length of the reference bone in px, which amplifies the rounding of u and v.
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
_LIMIT = 0.05  # px, and mm: more is not rounding
_CAMERA, _CAMERA_LIMIT = 1e-4, 1e-2  # tolerance and limit in the camera, relative to the distance
_MIN_FOCAL, _MAX_FOCAL = 1.5, 6.0  # of a crop, in sides of the crop


class Differences(NamedTuple):
    """The largest difference over all crops and joints, for a hand of mean size."""

    px: float  # of u and v
    mm: float  # of z, the depth from the wrist
    camera: float  # of xyz and the root depth, relative to the root depth
    xyz_mm: float  # of xyz from the wrist

    def __str__(self) -> str:
        return (
            f"{self.px:.1e} px in u and v, {self.mm:.1e} mm in the depth from the wrist, "
            f"{self.camera:.1e} of the distance in the camera frame, {self.xyz_mm:.1e} mm in xyz "
            "from the wrist"
        )


class Agreement(NamedTuple):
    """A graph's differences from PyTorch, and PyTorch's from itself in float64."""

    crops: int
    graph: Differences
    rounding: Differences

    def holds(self, tolerance: float) -> bool:
        """Returns whether the graph differs by at most `tolerance` (px, mm) or by rounding."""
        g, r = self.graph, self.rounding
        return (
            g.px <= min(max(tolerance, _SLACK * r.px), _LIMIT)
            and g.mm <= min(max(tolerance, _SLACK * r.mm), _LIMIT)
            and g.camera <= min(max(_CAMERA, _SLACK * r.camera), _CAMERA_LIMIT)
        )

    def __str__(self) -> str:
        return (
            f"largest differences from PyTorch on {self.crops} random crops: {self.graph}. "
            f"PyTorch's own rounding: {self.rounding}"
        )


def measure(model: ExportedModel, path: Path, *, image_size: int, bone: float) -> Agreement:
    """Runs both on the same 100 random crops and cameras, in batches of 7 and of 1.

    Args:
        model: the PyTorch model, on the CPU.
        path: the graph.
        image_size: S.
        bone: length of the reference bone, metres.
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
    """Copies the model with layers in float64; the head's geometry stays in float32."""
    precise = copy.deepcopy(model).double()
    if precise.model.head.refiner is not None:
        precise.model.head.refiner.float()
    precise.model.backbone.register_forward_pre_hook(lambda _, images: (images[0].double(),))
    return precise


def _differences(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> Tensor:
    """(4,) largest of u and v (px), z (bones), camera frame (relative), xyz (bones)."""
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
    """Yields batches of smooth random images (B, 3, S, S) uint8 and plausible K (B, 3, 3)."""
    rng = np.random.default_rng(seed)
    for count in BATCHES:
        coarse = torch.from_numpy(rng.uniform(-60, 315, (count, 3, 6, 6))).float()
        smooth = torch.nn.functional.interpolate(coarse, size=image_size, mode="bicubic")
        grain = torch.from_numpy(rng.normal(0, 8, smooth.shape)).float()
        focal = image_size * rng.uniform(_MIN_FOCAL, _MAX_FOCAL, count)
        K = np.zeros((count, 3, 3))
        K[:, 0, 0], K[:, 1, 1], K[:, 2, 2] = focal, focal * rng.uniform(0.9, 1.1, count), 1
        K[:, :2, 2] = rng.uniform(-0.5, 1.5, (count, 2)) * image_size
        yield (smooth + grain).clamp(0, 255).to(torch.uint8), torch.from_numpy(K).float()
