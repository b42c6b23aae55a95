"""Images are standardised in the number format and memory layout of the first layer."""

import pytest
import torch
from tiny_backbone import TinyBackbone

from handpose import normalise

IMAGE = torch.arange(2 * 3 * 8 * 8).reshape(2, 3, 8, 8).to(torch.uint8)
MEAN = torch.tensor([123.675, 116.28, 103.53])[:, None, None]
STD = torch.tensor([58.395, 57.12, 57.375])[:, None, None]


def test_float32_values_are_the_same_bits_in_both_layouts() -> None:
    expected = (IMAGE.float() - MEAN) / STD
    plain, last = TinyBackbone(), TinyBackbone().to(memory_format=torch.channels_last)
    assert torch.equal(normalise(IMAGE), expected)
    assert torch.equal(plain.normalise(IMAGE), expected)
    assert plain.normalise(IMAGE).is_contiguous()
    assert torch.equal(last.normalise(IMAGE), expected)
    assert last.normalise(IMAGE).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("source", [torch.contiguous_format, torch.channels_last])
def test_under_autocast_it_is_rounded_once(
    layout: torch.memory_format, source: torch.memory_format
) -> None:
    backbone = TinyBackbone().to(memory_format=layout)
    with torch.autocast("cpu", torch.bfloat16):
        found = backbone.normalise(IMAGE.contiguous(memory_format=source))
    assert found.dtype == torch.bfloat16
    assert found.is_contiguous(memory_format=layout)
    assert torch.equal(found, ((IMAGE.float() - MEAN) / STD).bfloat16())


def test_the_numbers_of_the_channels_are_no_weights() -> None:
    assert not {"mean", "std"} & set(TinyBackbone().state_dict())
