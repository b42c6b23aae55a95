"""The network of a prediction: fewer operations, the same hands."""

from collections.abc import Callable

import torch
from hands import CONTRACT, CROP
from tiny_backbone import TinyBackbone
from torch import Tensor, nn

from handpose.backbones.resnet import ResNet
from handpose.heads.heatmap import HeatmapHead
from handpose.model import PoseModel
from handpose.predict.fast_network import FastNetwork, fast_copy


def resnet(change: Callable[[ResNet], None] = lambda backbone: None) -> PoseModel:
    """A model whose BatchNorms have statistics of their own, in evaluation mode."""
    torch.manual_seed(0)
    backbone = ResNet(name="resnet18")
    change(backbone)
    head = HeatmapHead(width=8, **{**CONTRACT, **backbone.widths})
    model = PoseModel(backbone=backbone, head=head)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
    return model.eval()


def norms(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


def predicted(model: PoseModel) -> Tensor:
    noise = torch.Generator().manual_seed(1)
    image = torch.randint(0, 256, (3, 3, CROP, CROP), dtype=torch.uint8, generator=noise)
    with torch.inference_mode():
        return model(image, torch.eye(3).expand(3, 3, 3)).uvz


def test_all_norms_are_folded_and_the_hands_stay() -> None:
    model = resnet()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    fast = fast_copy(model, CROP)
    assert (norms(model), norms(fast)) == (21, 0)
    assert torch.allclose(predicted(fast), predicted(model), rtol=1e-4, atol=1e-3)
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())


def test_a_convolution_with_another_reader_is_left_alone() -> None:
    class Doubled(nn.BatchNorm2d):
        """Gives its input as well."""

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + 5 * x

    def change(backbone: ResNet) -> None:
        backbone.network.bn1 = Doubled(64)

    model = resnet(change)
    fast = fast_copy(model, CROP)
    assert norms(fast) == norms(model)
    assert torch.allclose(predicted(fast), predicted(model), rtol=1e-4, atol=1e-3)


def test_a_model_without_norms_is_copied() -> None:
    backbone = TinyBackbone()
    head = HeatmapHead(width=8, **{**CONTRACT, **backbone.widths})
    model = PoseModel(backbone=backbone, head=head).eval()
    assert torch.allclose(predicted(fast_copy(model, CROP)), predicted(model), atol=1e-3)


def test_a_batch_in_parts_gives_the_same_hands() -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        network = FastNetwork(resnet(), CROP)
        noise = torch.Generator().manual_seed(2)
        image = torch.randint(0, 256, (13, 3, CROP, CROP), dtype=torch.uint8, generator=noise)
        K = torch.eye(3).expand(13, 3, 3)
        whole = network(image, K)
        network.use_all_cores()
        assert torch.get_num_threads() == 1
        for one, other in zip(whole, network(image, K), strict=True):
            assert torch.allclose(one.float(), other.float(), rtol=1e-4, atol=1e-3)
        assert len(network(image[:1], K[:1]).uvz) == 1
    finally:
        torch.set_num_threads(threads)
