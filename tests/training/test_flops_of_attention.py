"""The products of attention count, whatever kernel computes it."""

from typing import NamedTuple

import pytest
import timm
import torch
from torch import Tensor, nn

from handpose.training.flops import predicted_flops, trained_flops

WIDTH = 64


class Tokens(NamedTuple):
    image: Tensor  # (B, T, D)


class Block(nn.Module):
    """A block of a ViT as a stage."""

    def __init__(self) -> None:
        super().__init__()
        self.block = timm.create_model("test_vit", num_classes=0).blocks[0]

    def forward(self, batch: Tokens) -> Tensor:
        return self.block(batch.image)

    def loss_of(self, batch: Tokens) -> Tensor:
        return self(batch).square().sum()


@pytest.mark.parametrize("tokens", [5, 17])
def test_flops_of_a_block_are_those_of_its_products(tokens: int) -> None:
    """2 T D (4 D + 2 H) for the layers, and 4 T^2 D for attention; three times that in training."""
    stage = Block()
    hidden = stage.block.mlp.fc1.out_features
    layers = 2 * tokens * WIDTH * (4 * WIDTH + 2 * hidden)
    attention = 4 * tokens**2 * WIDTH
    batch = Tokens(torch.randn(2, tokens, WIDTH, requires_grad=True))
    assert predicted_flops(stage, batch) == layers + attention
    assert trained_flops(stage, batch) == pytest.approx(3 * (layers + attention), rel=0.05)
