"""Weights of other projects: the same features as the network they came from, or a refusal."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from handpose.backbones.hrnet import HRNet
from handpose.backbones.resnet import ResNet
from handpose.weights.load import fill, load_file

State = dict[str, Tensor]


def randomised(network: nn.Module) -> nn.Module:
    """No two BatchNorms alike, so that every wrong name changes the features."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.num_batches_tracked.fill_(7)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
    return network.eval()


@pytest.fixture(scope="module")
def resnet() -> nn.Module:
    return randomised(torchvision.models.resnet18())


@pytest.fixture(scope="module")
def hrnet() -> nn.Module:
    """The whole timm model, with its modules for classification."""
    return randomised(timm.create_model("hrnet_w18"))


@pytest.fixture(scope="module")
def image() -> Tensor:
    return torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def under(prefix: str, state: State) -> State:
    return {prefix + name: value for name, value in state.items()}


def as_timm(network: nn.Module) -> State:
    return dict(network.state_dict())


def as_data_parallel(network: nn.Module) -> State:
    return dict(nn.DataParallel(network).state_dict())


def as_peclr(network: nn.Module) -> State:
    """PeCLR's ResNetModel: the children of a ResNet in a Sequential, beside a last layer."""
    model = nn.Module()
    model.encoder = nn.Module()
    model.encoder.features = nn.Sequential(*list(network.children())[:-1])
    model.encoder.final_layer = nn.Sequential(nn.Linear(512, 64))
    model.projection_head = nn.Sequential(nn.Linear(512, 64), nn.BatchNorm1d(64))
    return dict(model.state_dict())


def as_sequential_encoder(network: nn.Module) -> State:
    return under("encoder.", dict(nn.Sequential(*network.children()).state_dict()))


def as_lightning_encoder(network: nn.Module) -> State:
    heads = {
        "projection_head.0.weight": torch.ones(2),
        "encoder.final_layers.0.bias": torch.ones(2),
    }
    return under("encoder.", dict(network.state_dict())) | heads


def as_fine_tuned_peclr(network: nn.Module) -> State:
    zroot = {"zroot_ref.zroot_ref.0.weight": torch.ones(2)}
    return under("backend_model.", dict(network.state_dict())) | zroot


def as_moco(network: nn.Module) -> State:
    queue = {"module.queue": torch.randn(16, 4), "module.queue_ptr": torch.zeros(1).long()}
    key = torchvision.models.resnet18().state_dict()
    query = under("module.encoder_q.", dict(network.state_dict()))
    return query | under("module.encoder_k.", key) | queue


def as_mmpose(network: nn.Module) -> State:
    kept = {k: v for k, v in network.state_dict().items() if not k.startswith("fc.")}
    return under("backbone.", kept) | {"keypoint_head.final_layer.weight": torch.ones(3)}


NAMINGS: dict[Callable[[nn.Module], State], tuple[str, dict[str, int]]] = {
    as_timm: ("torchvision's or timm's", {"fc.*": 2}),
    as_data_parallel: ("DataParallel", {"module.fc.*": 2}),
    as_peclr: ("PeCLR", {"encoder.final_layer.*": 2, "projection_head.*": 7}),
    as_sequential_encoder: ("Lightning", {"encoder.9.*": 2}),
    as_lightning_encoder: (
        "Lightning",
        {"encoder.fc.*": 2, "encoder.final_layers.*": 1, "projection_head.*": 1},
    ),
    as_fine_tuned_peclr: ("PeCLR's fine-tuned", {"backend_model.fc.*": 2, "zroot_ref.*": 1}),
    as_moco: (
        "MoCo",
        {
            "module.encoder_k.*": 122,
            "module.encoder_q.fc.*": 2,
            "module.queue": 1,
            "module.queue_ptr": 1,
        },
    ),
    as_mmpose: ("mmpose", {"keypoint_head.*": 1}),
}


@pytest.mark.parametrize("naming", NAMINGS, ids=lambda naming: naming.__name__)
def test_a_foreign_resnet_gives_its_own_features(
    naming: Callable[[nn.Module], State], resnet: nn.Module, image: Tensor
) -> None:
    backbone = ResNet(name="resnet18").eval()
    report = fill(backbone.network, naming(resnet), source="file")
    name, dropped = NAMINGS[naming]
    assert name in report.translation.naming
    assert report.translation.dropped == dropped
    assert (report.matched, report.uncounted) == (120, 0)
    pooled = resnet.fc.register_forward_pre_hook(lambda _, inputs: embeddings.append(inputs[0]))
    embeddings: list[Tensor] = []
    with torch.no_grad():
        resnet(image)
        embedding = backbone(image)[1]
    pooled.remove()
    assert (embedding - embeddings[0]).abs().max() < 1e-6
    assert embedding.abs().max() > 1e-2


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_a_foreign_hrnet_gives_its_own_features(
    prefix: str, hrnet: nn.Module, image: Tensor
) -> None:
    backbone = HRNet(name="hrnet_w18").eval()
    heads = ("classifier", "incre_modules", "downsamp_modules", "final_layer")
    state = hrnet.state_dict()
    if prefix:  # mmpose keeps its heads elsewhere
        state = {name: value for name, value in state.items() if name.split(".")[0] not in heads}
    report = fill(backbone.network, under(prefix, state), source="file")
    assert report.matched == len(backbone.network.state_dict())
    assert set(report.translation.dropped) == (set() if prefix else {f"{h}.*" for h in heads})
    assert any("bilinearly" in line for line in report.lines()) == bool(prefix)
    with torch.no_grad():
        stem = hrnet.act2(hrnet.bn2(hrnet.conv2(hrnet.act1(hrnet.bn1(hrnet.conv1(image))))))
        expected, (features, _) = hrnet.stages(stem), backbone(image)
    assert all((a - b).abs().max() < 1e-6 for a, b in zip(features, expected, strict=True))


def test_the_report_reads_as_sentences(resnet: nn.Module) -> None:
    report = fill(ResNet(name="resnet18").network, as_moco(resnet), source="file")
    assert report.lines() == [
        "recognised as MoCo's query encoder (module.encoder_q.*)",
        "matched 120 tensors, renamed as module.encoder_q.conv1.weight -> conv1.weight",
        "dropped 126: module.encoder_k.* (122), module.encoder_q.fc.* (2), module.queue (1), "
        "module.queue_ptr (1)",
    ]


def test_counters_of_batches_may_be_missing(resnet: nn.Module) -> None:
    old = {k: v for k, v in as_timm(resnet).items() if not k.endswith("num_batches_tracked")}
    network = randomised(ResNet(name="resnet18").network)
    report = fill(network, old, source="file")
    assert (report.matched, report.uncounted) == (100, 20)
    assert "lacks 20 num_batches_tracked, as old files do: they stay 0" in report.lines()
    assert network.bn1.num_batches_tracked == 0
    assert torch.equal(network.bn1.running_var, resnet.bn1.running_var)


def refusal(network: nn.Module, state: State) -> str:
    """Why `state` is refused; the network stays as it was."""
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(ValueError, match=r"^file does not fit this backbone") as error:
        fill(network, state, source="file")
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    return str(error.value)


def test_missing_and_surplus_tensors_are_named(resnet: nn.Module) -> None:
    network = ResNet(name="resnet18").network
    state = as_moco(resnet)
    del state["module.encoder_q.layer2.0.bn1.running_mean"]
    assert "missing, 1: layer2.0.bn1.running_mean" in refusal(network, state)
    surplus = as_moco(resnet) | {"module.encoder_q.stem.0.weight": torch.ones(1)}
    message = refusal(network, surplus)
    assert "unexpected, 1: stem.0.weight" in message
    assert "read as MoCo's query encoder" in message


def test_both_ways_to_name_a_child_are_no_way(resnet: nn.Module) -> None:
    state = as_sequential_encoder(resnet) | {"encoder.conv1.weight": torch.ones(64, 3, 7, 7)}
    assert "unexpected" in refusal(ResNet(name="resnet18").network, state)


def test_what_is_not_finite_is_named(resnet: nn.Module) -> None:
    broken = as_timm(resnet) | {"bn1.bias": torch.full((64,), torch.nan)}
    assert "not finite, 1: bn1.bias" in refusal(ResNet(name="resnet18").network, broken)


def test_another_architecture_is_named(resnet: nn.Module, hrnet: nn.Module) -> None:
    bottlenecks = torchvision.models.resnet50().state_dict()
    message = refusal(ResNet(name="resnet18").network, dict(bottlenecks))
    assert "layers are those of resnet50, not of resnet18: choose backbone=resnet50" in message
    assert "of another shape" in message
    assert "layer1.0.conv1.weight (64, 64, 1, 1) for (64, 64, 3, 3)" in message
    message = refusal(ResNet(name="resnet50").network, as_moco(resnet))
    assert "choose backbone=resnet18" in message
    assert "missing" in message
    assert "backbone=resnet18" in refusal(HRNet(name="hrnet_w18").network, as_timm(resnet))
    message = refusal(ResNet(name="resnet34").network, hrnet.state_dict())
    assert "choose backbone=hrnet_w18" in message


def test_an_hrnet_of_the_finest_branch_alone_is_told_apart(hrnet: nn.Module) -> None:
    cut = ("stage4.2.fuse_layers.1.", "stage4.2.fuse_layers.2.", "stage4.2.fuse_layers.3.")
    state = {name: value for name, value in hrnet.state_dict().items() if not name.startswith(cut)}
    message = refusal(HRNet(name="hrnet_w18").network, under("backbone.", state))
    assert "multiscale_output=False" in message


def test_two_backbones_or_none_are_refused(resnet: nn.Module) -> None:
    network = ResNet(name="resnet18").network
    two = as_timm(resnet) | under("backbone.", as_timm(resnet))
    assert "two backbones in one file" in refusal(network, two)
    message = refusal(network, {"net.a.weight": torch.ones(1), "net.b": torch.ones(1)})
    assert "of an unknown scheme, such as net.a.weight, net.b" in message
    ours = under("model.backbone.network.", as_timm(resnet))
    assert "export RUN --stage finetune" in refusal(network, ours)


def test_a_backbone_starts_from_a_foreign_file_and_logs_what_matched(
    resnet: nn.Module, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "moco.pth.tar"
    torch.save({"epoch": 200, "arch": "resnet18", "state_dict": as_moco(resnet)}, path)
    with caplog.at_level(logging.INFO):
        backbone = ResNet(name="resnet18", weights=str(path))
    assert torch.equal(backbone.network.conv1.weight, resnet.conv1.weight)
    assert "MoCo's query encoder (module.encoder_q.*); matched 120 tensors" in caplog.text
    with pytest.raises(ValueError, match=r"^backbone\.weights=.*moco\.pth\.tar does not fit this"):
        ResNet(name="resnet34", weights=str(path))
    with pytest.raises(ValueError, match=r"^backbone\.weights=.*none\.pt is not a weights file"):
        ResNet(name="resnet18", weights=str(tmp_path / "none.pt"))


def test_half_precision_becomes_single(resnet: nn.Module, tmp_path: Path) -> None:
    state = {k: v.half() if v.is_floating_point() else v for k, v in as_timm(resnet).items()}
    torch.save(state, tmp_path / "half.pt")
    network = ResNet(name="resnet18").network
    load_file(network, tmp_path / "half.pt")
    assert network.conv1.weight.dtype == torch.float32
    assert torch.equal(network.conv1.weight, resnet.conv1.weight.half().float())
