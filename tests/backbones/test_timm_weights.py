"""Weights of timm models: published ones, files of timm, and backbone.pt; strict but for heads."""

import logging
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models import _builder

from handpose.backbones.resnet import ResNet
from handpose.backbones.timm_backbone import TimmBackbone
from handpose.weights.load import load_file
from handpose.weights.read import read_state_dict


def whole(name: str, **options: object) -> torch.nn.Module:
    """The model as timm publishes it, with a classifier, of other random weights."""
    torch.manual_seed(7)
    return timm.create_model(name, num_classes=10, **options)


def same(backbone: TimmBackbone, network: torch.nn.Module) -> bool:
    given = network.state_dict()
    return all(torch.equal(v, given[n]) for n, v in backbone.network.state_dict().items())


@pytest.mark.parametrize("name", ["test_vit", "test_convnext", "test_efficientnet"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_of_timm_is_read_without_its_classifier(
    name: str, suffix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    network, file = whole(name), tmp_path / f"weights{suffix}"
    write = save_file if suffix == ".safetensors" else torch.save
    write(network.state_dict(), file)
    with caplog.at_level(logging.INFO):
        backbone = TimmBackbone(name=name, weights=str(file), image_sizes=[64])
    assert same(backbone, network)
    assert "dropped" in caplog.text
    assert not same(TimmBackbone(name=name), network)


def test_position_embeddings_of_another_grid_are_resampled_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    network, file = whole("test_vit", img_size=224), tmp_path / "weights.pth"
    torch.save({"model": network.state_dict()}, file)
    with caplog.at_level(logging.INFO):
        backbone = TimmBackbone(name="test_vit", weights=str(file), image_sizes=[64])
    assert "resampled pos_embed from (1, 197, 64) to (1, 101, 64)" in caplog.text
    own, given = backbone.network.state_dict(), network.state_dict()
    assert torch.equal(own["blocks.0.attn.qkv.weight"], given["blocks.0.attn.qkv.weight"])
    assert own["pos_embed"].mean() == pytest.approx(float(given["pos_embed"].mean()), abs=2e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("blocks.0.norm1.weight"), "missing, 1: blocks.0.norm1.weight"),
        (lambda state: state.update({"extra": torch.zeros(1)}), "unexpected, 1: extra"),
        (lambda state: state["norm.bias"].fill_(torch.nan), "not finite, 1: norm.bias"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(change: object, message: str, tmp_path: Path) -> None:
    state, file = whole("test_vit").state_dict(), tmp_path / "weights.pth"
    change(state)
    torch.save(state, file)
    with pytest.raises(ValueError, match=message):
        TimmBackbone(name="test_vit", weights=str(file))


def test_a_backbone_file_of_ours_loads_strictly_in_timm(tmp_path: Path) -> None:
    backbone = TimmBackbone(name="test_vit", image_sizes=[64])
    content = {"state_dict": backbone.network.state_dict(), "meta": backbone.statistics}
    torch.save(content, tmp_path / "backbone.pt")
    network = timm.create_model("test_vit", num_classes=0, dynamic_img_size=True)
    network.load_state_dict(read_state_dict(tmp_path / "backbone.pt"))
    other = TimmBackbone(name="test_vit", image_sizes=[96])
    report = load_file(other.network, tmp_path / "backbone.pt", adapt=other.adapt)
    assert report.matched == len(network.state_dict())
    assert not report.notes
    assert same(other, backbone.network)


def test_pretrained_takes_what_timm_fetches_and_the_heads_start_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, asked = whole("test_vit"), []

    def fetched(place: object, **_: object) -> dict[str, torch.Tensor]:
        asked.append(place)
        return dict(network.state_dict())

    monkeypatch.setattr(_builder, "load_state_dict_from_hf", fetched)
    torch.manual_seed(0)
    backbone = TimmBackbone(name="test_vit", weights="pretrained", image_sizes=[64])
    drawn = torch.rand(1)
    assert asked == ["timm/test_vit.r160_in1k"]
    assert same(backbone, network)
    torch.manual_seed(0)
    TimmBackbone(name="test_vit", image_sizes=[64])
    assert torch.equal(torch.rand(1), drawn)


def test_what_cannot_be_fetched_is_said_in_plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> dict[str, torch.Tensor]:
        raise OSError("no route to host")

    monkeypatch.setattr(_builder, "load_state_dict_from_hf", offline)
    with pytest.raises(ValueError, match="pretrained could not be fetched") as refused:
        TimmBackbone(name="test_vit", weights="pretrained")
    assert not logging.getLogger("huggingface_hub").propagate  # it prints its retries itself
    for words in ("no route to host", "It is a download", "backbone.weights=null"):
        assert words in str(refused.value)
    with pytest.raises(ValueError, match=r"timm publishes none of ghostnet_050"):
        TimmBackbone(name="ghostnet_050", weights="pretrained")


@pytest.mark.parametrize(
    ("build", "word", "instead"),
    [(ResNet, "pretrained", "imagenet"), (TimmBackbone, "imagenet", "pretrained")],
)
def test_each_kind_knows_one_word(build: type, word: str, instead: str) -> None:
    name = "resnet18" if build is ResNet else "test_vit"
    with pytest.raises(ValueError, match=f"{word}: this backbone has no such weights.*{instead}"):
        build(name=name, weights=word)
