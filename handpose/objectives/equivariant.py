"""The equivariant contrastive objective: PeCLR (Spurr et al., ICCV 2021, arXiv 2106.05953).

The projections of a rotated and shifted view should be those of the plain crop, rotated and
shifted. So each view's own map is undone in its projection, read as 2D points, before NT-Xent.
N views, K points, S crop px. A view's frame has its origin at the crop's centre and S as the unit;
x_view = s R x_plain + b.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from handpose.geometry.affine import relative, to_unit_frame
from handpose.objectives.contrastive import Contrastive
from handpose.records import ViewParams, Views


class ViewMap(NamedTuple):
    """The map that takes the plain crop to a view, in unit frames; a scale of 1 is not undone."""

    rotation: Tensor  # (N, 2, 2)
    scale: Tensor  # (N,)
    shift: Tensor  # (N, 2)


def view_map(params: ViewParams, image_size: int) -> ViewMap:
    """Returns the map of every view, computed in float64.

    Args:
        params: The drawn parameters (B, V, ...); N = B V.
        image_size: S.
    """
    plain, affine = params.plain.flatten(0, 1).double(), params.affine.flatten(0, 1).double()
    unit = to_unit_frame(relative(plain, affine), image_size).float()
    scale = torch.linalg.det(unit[..., :2]).clamp(min=1e-12).sqrt()
    return ViewMap(unit[..., :2] / scale[:, None, None], scale, unit[..., 2])


def undo_on_points(points: Tensor, view: ViewMap) -> Tensor:
    """Undoes the map exactly.

    Args:
        points: (N, K, 2) in crop sides from the view's centre.
        view: The map of each view.

    Returns:
        (N, K, 2) in crop sides from the plain crop's centre.
    """
    back = (points - view.shift[:, None]) @ view.rotation  # rows: R^T (p - b)
    return back / view.scale[:, None, None]


def undo_as_published(points: Tensor, view: ViewMap) -> Tensor:
    """Undoes the map as PeCLR's code does.

    Points are L2-normalised; the shift, in crop sides, is undone in units of the points' extent
    along each axis; the rotation is undone about the points' mean. Extent and mean get no gradient.

    Args:
        points: (N, K, 2) in any unit.
        view: The map of each view.
    """
    points = F.normalize(points.flatten(1), dim=1).unflatten(1, points.shape[1:])
    extent = (points.amax(1, keepdim=True) - points.amin(1, keepdim=True)).detach()
    points = points - view.shift[:, None] * extent
    mean = points.mean(1, keepdim=True).detach()
    turned = (points - mean) @ view.rotation
    return turned / view.scale[:, None, None] + mean


def undo_on_maps(maps: Tensor, view: ViewMap) -> Tensor:
    """Warps maps of a view back to the plain crop; 0 outside the view.

    Args:
        maps: (N, K, h, w).
        view: The map of each view.
    """
    linear = view.rotation * view.scale[:, None, None]
    # grid_sample's frame runs from -1 to 1 over the crop: twice the unit frame, about its centre.
    theta = torch.cat((linear, 2 * view.shift[..., None]), dim=-1)
    grid = F.affine_grid(theta.to(maps.dtype), list(maps.shape), align_corners=False)
    return F.grid_sample(maps, grid, align_corners=False)


class Equivariant(Contrastive):
    """NT-Xent after undoing each view's rotation and shift in its projection.

    Args:
        shift: "published": undo the shift in units of the points' extent and the rotation about
            their mean, both as constants, as PeCLR's code does. "exact": take the points as crop
            sides from the crop's centre. Maps are always warped exactly.
        scale: Whether to undo the scale too (not in the paper).
        **contrastive: See `Contrastive`.

    Raises:
        ValueError: `shift` is neither.
    """

    def __init__(
        self, *, shift: str = "published", scale: bool = False, **contrastive: Any
    ) -> None:
        super().__init__(**contrastive)
        if shift not in ("published", "exact"):
            raise ValueError(f"objective.shift={shift}: give published or exact")
        self.undo = undo_on_points if shift == "exact" else undo_as_published
        self.with_scale = scale

    def compared(self, projected: Tensor, views: Views) -> Tensor:
        """Returns the projections as those of the plain crop; float32 or better, no autocast."""
        with torch.autocast(projected.device.type, enabled=False):
            flat = projected.flatten(0, 1)
            flat = flat.to(torch.promote_types(flat.dtype, torch.float32))
            view = ViewMap(*(t.to(flat.dtype) for t in view_map(views.params, self.image_size)))
            if not self.with_scale:
                view = view._replace(scale=torch.ones_like(view.scale))
            if flat.ndim == 4:
                undone = undo_on_maps(flat, view)
            else:
                undone = self.undo(flat.unflatten(1, (-1, 2)), view)
            return undone.unflatten(0, projected.shape[:2])
