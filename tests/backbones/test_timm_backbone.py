"""Models of timm as backbones: maps, embedding, statistics, layers, gradients and image sizes."""

import pytest
import timm
import torch
from hands import CONTRACT
from torch import Tensor

from handpose.backbones.timm_backbone import TimmBackbone
from handpose.backbones.top_down import TopDown
from handpose.heads.heatmap import HeatmapHead
from handpose.heads.regression import RegressionHead
from handpose.heads.simcc import SimCCHead
from handpose.training.optimizers import rate_factors

# A class token; a mean with a norm behind; attention pooling; pyramids with a norm, a convolution
# or a layer behind the pooling; windows; a fixed input size.
TINY = ("test_vit", "test_vit2", "test_vit3", "test_convnext", "test_efficientnet", "test_mambaout")
PYRAMID = (4, 8, 16, 32)
LARGER = [
    pytest.param(name, size, strides, marks=pytest.mark.slow)
    for name, size, strides in (
        ("swin_tiny_patch4_window7_224", 64, PYRAMID),
        ("hiera_tiny_224", 64, PYRAMID),
        ("hiera_tiny_224", 128, PYRAMID),
        ("mobilenetv3_small_050", 64, PYRAMID),
        ("vit_small_patch14_reg4_dinov2", 224, (14,)),
        ("vit_small_patch16_dinov3", 64, (16,)),
        ("deit_tiny_distilled_patch16_224", 64, (16,)),
    )
]


def images(size: int, count: int = 2) -> Tensor:
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8)


def ungraded(backbone: TimmBackbone, loss: Tensor) -> list[str]:
    backbone.zero_grad(set_to_none=True)
    loss.backward(retain_graph=True)
    return [name for name, value in backbone.named_parameters() if value.grad is None]


@pytest.mark.parametrize(
    ("name", "size", "strides"),
    [*((name, 64, (16,) if "vit" in name else PYRAMID) for name in TINY), *LARGER],
)
def test_maps_embedding_layers_and_a_gradient_for_each_weight(
    name: str, size: int, strides: tuple[int, ...]
) -> None:
    backbone = TimmBackbone(name=name, image_sizes=[size]).train()
    assert backbone.strides == strides
    features, embedding = backbone.encode(images(size))
    shapes = [tuple(level.shape) for level in features]
    sides = [size // stride for stride in strides]
    assert shapes == [(2, c, s, s) for c, s in zip(backbone.channels, sides, strict=True)]
    assert embedding.shape == (2, backbone.embedding_dim)
    assert ungraded(backbone, sum(level.square().sum() for level in features)) == []
    assert ungraded(backbone, embedding.square().sum()) == []
    factors = rate_factors(backbone, 0.5)
    assert factors.keys() == set(backbone.network.parameters())
    assert len(set(factors.values())) == len(backbone.layers()) > 2


@pytest.mark.parametrize("name", TINY)
def test_the_embedding_is_what_timm_pools(name: str) -> None:
    backbone = TimmBackbone(name=name, image_sizes=[64]).eval()
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        _, embedding = backbone(image)
        assert torch.allclose(embedding, backbone.network(image).flatten(1), atol=1e-6)


def test_a_layer_that_only_pools_gets_a_gradient_of_0_from_features() -> None:
    backbone = TimmBackbone(name="test_vit3", image_sizes=[64]).train()
    features, _ = backbone.encode(images(64))
    features[0].square().sum().backward()
    pooling = [v.grad for n, v in backbone.network.named_parameters() if n.startswith("attn_pool")]
    assert pooling
    assert all(bool((gradient == 0).all()) for gradient in pooling)


def test_statistics_are_those_of_the_weights() -> None:
    backbone = TimmBackbone(name="test_vit")
    assert backbone.statistics["mean"] == pytest.approx([127.5] * 3)
    white = torch.full((1, 3, 32, 32), 255, dtype=torch.uint8)
    assert torch.allclose(backbone.normalise(white), torch.ones(1, 3, 32, 32))
    backbone.take_statistics({"mean": [0.0, 0.0, 0.0], "std": [255.0, 255.0, 51.0]})
    assert backbone.normalise(white)[0, :, 0, 0].tolist() == [1.0, 1.0, 5.0]
    for wrong in ([0.0, 1.0], [0.0, 1.0, float("nan")], [-1.0, 1.0, 1.0], "text", None):
        with pytest.raises(ValueError, match="it is corrupt"):
            backbone.take_statistics({"std": wrong})
    backbone.take_statistics({})  # an older file
    assert backbone.statistics["std"] == [255.0, 255.0, 51.0]


def test_layers_are_timms_blocks_from_the_input_up() -> None:
    backbone = TimmBackbone(name="test_vit")
    layers = backbone.layers()
    assert "patch_embed.proj.weight" in layers[0]
    assert [names[0].split(".")[:2] for names in layers[1:]] == [
        ["blocks", str(block)] for block in range(len(backbone.network.blocks))
    ]
    assert {"norm.weight", "norm.bias"} < set(layers[-1])


def test_drop_path_rises_over_the_blocks_and_follows_the_seed() -> None:
    backbone = TimmBackbone(name="test_vit", drop_path=0.5, image_sizes=[64])
    rates = [getattr(b.drop_path1, "drop_prob", 0.0) for b in backbone.network.blocks]
    assert rates[0] == 0
    assert rates == sorted(rates)
    assert rates[-1] == 0.5
    image, found = images(64, 8), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(backbone.train().encode(image)[1])
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    still = backbone.eval()
    assert torch.equal(still.encode(image)[1], still.encode(image)[1])
    with pytest.raises(ValueError, match="does not take drop_path_rate"):
        TimmBackbone(name="vgg11", drop_path=0.5)


def test_a_vit_takes_both_sizes_of_two_stages() -> None:
    backbone = TimmBackbone(name="test_vit", image_sizes=[64, 96]).eval()
    assert [backbone.encode(images(s))[0][0].shape[-1] for s in (64, 96)] == [4, 6]


@pytest.mark.parametrize(
    ("name", "sizes", "message"),
    [
        ("vit_tiny_patch16", [64], "timm has no such model; did you mean vit_tiny_patch16"),
        ("test_vit.r160_in2k", [64], "no weights r160_in2k of test_vit; it has r160_in1k"),
        ("hf-hub:timm/test_vit", [64], "timm has no such model"),
        ("test_vit", [72], "72 is no multiple of its patch size 16"),
        ("convmixer_768_32", [64], "a side of 9, which does not divide 64"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, sizes: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TimmBackbone(name=name, image_sizes=sizes)


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("head", [HeatmapHead, RegressionHead, SimCCHead])
def test_every_head_reads_one_map_of_stride_16(head: type, size: int) -> None:
    backbone = TimmBackbone(name="test_vit", image_sizes=[size]).train()
    own = head(**{**CONTRACT, **backbone.widths, "image_size": size})
    prediction = own(*backbone.encode(images(size)), torch.eye(3).expand(2, 3, 3))
    assert prediction.uvz.shape == (2, 21, 3)
    if head is HeatmapHead:
        assert prediction.heatmap.shape[-1] == size // 4
    assert ungraded(backbone, prediction.own_uvz.square().sum()) == []
    assert all(p.grad is not None for n, p in own.named_parameters() if n.startswith("decoder"))


def test_a_coarse_cell_is_divided_and_a_fine_pyramid_is_not() -> None:
    """Of one cell of 16 px alone, interpolation could only make a constant."""
    shape = dict(width=8, stride=4, image_size=16)
    divided = TopDown(channels=(32,), strides=(16,), **shape).eval()
    plain = TopDown(channels=(32,), **shape).eval()
    cell = (torch.randn(1, 32, 1, 1),)
    middle = (slice(None), slice(None), slice(1, 3), slice(1, 3))  # away from the border
    assert plain(cell)[middle].flatten(2).std(2).max() < 1e-6
    assert divided(cell).shape == (1, 8, 4, 4)
    assert divided(cell)[middle].flatten(2).std(2).max() > 1e-2
    torch.manual_seed(0)
    before = TopDown(channels=(4, 8), **shape).state_dict()
    torch.manual_seed(0)
    after = TopDown(channels=(4, 8), strides=(4, 8), **shape).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_patches_of_14_px_are_divided_to_4_px() -> None:
    top = TopDown(channels=(32,), width=8, stride=4, image_size=224, strides=(14,))
    assert top((torch.randn(1, 32, 16, 16),)).shape == (1, 8, 56, 56)


def test_every_other_model_of_timm_has_what_the_backbone_calls() -> None:
    """The interface is part of each model's class."""
    for name in timm.list_models("test_*"):
        network = timm.create_model(name, num_classes=0)
        assert hasattr(network, "forward_intermediates"), name
        assert hasattr(network, "forward_head"), name


@pytest.mark.parametrize("name", ["test_vit", "test_convnext"])
def test_channels_last_gives_the_same(name: str) -> None:
    backbone = TimmBackbone(name=name, image_sizes=[64]).eval()
    image = images(64)
    with torch.no_grad():
        features, embedding = backbone.encode(image)
        others, other = backbone.to(memory_format=torch.channels_last).encode(image)
    assert backbone.normalise(image).is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(other, embedding, atol=1e-5)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(features, others, strict=True))
