"""From a feature pyramid to one fine map: the top-down pathway of Feature Pyramid Networks."""

import torch.nn.functional as F
from torch import Tensor, nn

from handpose.records import Features

_COARSE = 8  # px: stride of a finest level whose cells are divided


class TopDown(nn.Module):
    """Upsamples the coarse levels to `stride` and adds them to the finer ones.

    Lin et al., Feature Pyramid Networks, arXiv 1612.03144, section 3, with one smoothing layer.
    Above a finest level of stride 8 or more, such as the patches of a vision transformer, each cell
    is divided by sub-pixel convolution (Shi et al., arXiv 1609.05158): interpolation alone could
    not say where in its patch a joint is.

    Args:
        channels: Of the pyramid's levels.
        width: Channels of the result.
        stride: Of the result in px; may be finer than the finest level's.
        image_size: S, the side of the crops in px.
        strides: Of the pyramid's levels; () to interpolate only.
    """

    def __init__(
        self,
        *,
        channels: tuple[int, ...],
        width: int,
        stride: int,
        image_size: int,
        strides: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.side = image_size // stride
        is_coarse = bool(strides) and strides[0] >= _COARSE
        self.cells = -(-strides[0] // stride) if is_coarse else 1
        wide = width * self.cells**2
        self.lateral = nn.ModuleList(nn.Conv2d(c, wide, 1) for c in channels)
        self.smooth = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )

    def forward(self, features: Features) -> Tensor:
        """Returns (B, width, S / stride, S / stride)."""
        level = self.lateral[-1](features[-1])
        for lateral, finer in zip(self.lateral[-2::-1], features[-2::-1], strict=True):
            level = lateral(finer) + F.interpolate(level, size=finer.shape[-2:], mode="bilinear")
        if self.cells > 1:
            level = F.pixel_shuffle(level, self.cells)
        if level.shape[-1] != self.side:
            level = F.interpolate(level, size=(self.side, self.side), mode="bilinear")
        return self.smooth(level)
