"""A backbone of two convolutions, for tests of what is around it."""

from torch import Tensor, nn

from handpose.backbones.base import Backbone
from handpose.records import Features


class TinyBackbone(Backbone):
    """In the dtype of its weights, from the pictures on.

    Args:
        dropout: probability with which channels of the finest level are dropped.
    """

    channels, strides, embedding_dim = (4, 6), (4, 8), 6

    def __init__(self, *, dropout: float = 0.0) -> None:
        super().__init__()
        fine, coarse = self.channels
        self.network = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Conv2d(3, fine, 5, stride=4, padding=2, bias=False),
                    nn.BatchNorm2d(fine),
                    nn.Tanh(),
                    nn.Dropout2d(dropout),
                ),
                nn.Sequential(
                    nn.Conv2d(fine, coarse, 3, stride=2, padding=1, bias=False),
                    nn.BatchNorm2d(coarse),
                    nn.Tanh(),
                ),
            ]
        )

    def forward(self, image: Tensor) -> tuple[Features, Tensor]:
        fine = self.network[0](image.to(next(self.parameters()).dtype))
        coarse = self.network[1](fine)
        return (fine, coarse), coarse.mean((2, 3))
