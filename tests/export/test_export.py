"""ONNX graphs beside PyTorch, a graph that is wrong, and the card."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hands import CONTRACT
from hydra.utils import get_class
from omegaconf import OmegaConf
from tiny_backbone import TinyBackbone

from handpose.backbones.base import Backbone
from handpose.backbones.hrnet import HRNet
from handpose.backbones.resnet import ResNet
from handpose.config.catalogue import Catalogue
from handpose.export.agreement import BATCHES, Agreement, Differences, measure, random_crops
from handpose.export.card import Graph, model_card
from handpose.export.graph import INPUTS, OUTPUTS, ExportedModel, write_graph
from handpose.heads.base import Head
from handpose.heads.heatmap import HeatmapHead
from handpose.heads.regression import RegressionHead
from handpose.heads.simcc import SimCCHead
from handpose.model import PoseModel
from handpose.pipeline.parts import build_terms

SIZE, BONE = 64, 0.09
DIFFER = Differences(px=1e-5, mm=2e-5, camera=1e-6, xyz_mm=0.1)
BACKBONES: dict[str, Callable[[], Backbone]] = {
    "tiny": TinyBackbone,
    "resnet18": lambda: ResNet(name="resnet18"),
    "hrnet_w18": lambda: HRNet(name="hrnet_w18"),
}


def make_model(backbone: str, head: str, **changed: str) -> ExportedModel:
    """Random weights, and heads that do not place all joints upon each other."""
    torch.manual_seed(0)
    body = BACKBONES[backbone]()
    widths = dict(channels=body.channels, strides=body.strides, embedding_dim=body.embedding_dim)
    contract = {**CONTRACT, **widths, **changed}
    if head == "heatmap":
        top = HeatmapHead(width=16, stride=4, sigma=1.0, heatmap_weight=0.0, **contract)
    elif head == "simcc":
        top = SimCCHead(width=16, **contract)
    else:
        top = RegressionHead(hidden_dim=32, **contract)
    torch.nn.init.normal_(last_layer(top).bias, std=0.3)
    model = ExportedModel(PoseModel(backbone=body, head=top, freeze_backbone=False))
    return _with_statistics(model)


def last_layer(head: Head) -> torch.nn.Module:
    """The layer whose bias moves the joints in u and v."""
    if isinstance(head, SimCCHead):
        return head.lines[0].layers[-1]
    return head.maps if isinstance(head, HeatmapHead) else head.mlp[-1]


def _with_statistics(model: ExportedModel) -> ExportedModel:
    """With BatchNorm's statistics of a few crops: without them HRNet's features grow to 1e9."""
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # the mean over all batches
    model.train()
    with torch.no_grad():
        for image, K in islice(random_crops(SIZE, seed=1), 3):
            model(image, K)
    return model.eval()


def exported(model: ExportedModel, path: Path) -> Agreement:
    write_graph(model, path, image_size=SIZE, notes={"model": "a test"})
    return measure(model, path, image_size=SIZE, bone=BONE)


def test_the_crops_are_a_hundred_in_batches_of_one_and_of_seven() -> None:
    batches = list(random_crops(SIZE))
    assert sum(len(image) for image, _ in batches) == sum(BATCHES) == 100
    assert {len(image) for image, _ in batches} == {1, 7}
    image, K = batches[0]
    assert image.dtype == torch.uint8
    assert image.float().std() > 30
    assert K[:, 2].tolist() == [[0, 0, 1]] * 7


@pytest.mark.parametrize(
    ("backbone", "head", "changed"),
    [
        ("tiny", "heatmap", {}),
        ("tiny", "simcc", {}),
        ("tiny", "regression", {"root": "palm", "root_depth": "refined"}),
        *(
            pytest.param(backbone, head, {}, marks=pytest.mark.slow)
            for backbone, head in (
                *(("resnet18", head) for head in ("heatmap", "simcc", "regression")),
                ("hrnet_w18", "heatmap"),  # a minute; the heads are the same
            )
        ),
    ],
)
def test_onnxruntime_says_what_pytorch_says(
    tmp_path: Path, backbone: str, head: str, changed: dict[str, str]
) -> None:
    model, path = make_model(backbone, head, **changed), tmp_path / "model.onnx"
    agreement = exported(model, path)
    print(f"{backbone} x {head}: {agreement}")
    assert agreement.crops == 100
    assert agreement.holds(1e-4), agreement
    graph = onnx.load(path)
    assert [entry.name for entry in graph.graph.input] == list(INPUTS)
    assert [entry.name for entry in graph.graph.output] == list(OUTPUTS)
    assert graph.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert graph.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert {prop.key for prop in graph.metadata_props} >= {"model", "joints"}

    with torch.no_grad():  # the wrong case: a graph of another model
        last = last_layer(model.model.head)
        last.bias += 0.1 * torch.randn_like(last.bias)
    assert not measure(model, path, image_size=SIZE, bone=BONE).holds(1e-4)


def test_agreement_is_of_px_and_of_mm() -> None:
    small = Differences(px=1e-5, mm=1e-5, camera=1e-6, xyz_mm=1e-3)
    for name in ("px", "mm", "camera"):
        for wrong in (1e-3, np.nan):
            assert not Agreement(100, small._replace(**{name: wrong}), small).holds(1e-4)
    assert Agreement(100, small, small).holds(1e-4)
    rough = Differences(px=1e-3, mm=1e-3, camera=1e-3, xyz_mm=1.0)
    assert Agreement(100, rough, rough).holds(1e-4), "as rounding explains it"
    chaos = Differences(px=700.0, mm=2000.0, camera=8.0, xyz_mm=3000.0)
    assert not Agreement(100, chaos, chaos).holds(1e-4), "no rounding explains that"


def test_the_card_says_what_the_data_allow() -> None:
    config = {
        "reference_bone": "middle",
        "evaluate": {"split": "test", "augment": {"margin": 1.1}},
        "finetune": {
            "dataset": {"_target_": "handpose.data.sources.freihand.FreiHand", "image_size": 128}
        },
        "backbone": {"name": "resnet50", "weights": "imagenet"},
    }
    results = {"pa_epe_mm": 11.25, "mean_pose_pa_epe_mm": 16.84, "n_test": 3960, "auc_x": None}
    results |= {"split": "val", "pa_epe_mm_n_hands": 3900}
    terms = {"pretrain": {"synthetic": "MIT"}, "finetune": {"freihand": "research only"}}
    graph = Graph(Agreement(100, DIFFER, DIFFER), opset=18)
    text = model_card(config, results, terms, graph=graph)
    for said in (
        "freihand; terms: research only",
        "pre-training, without labels: synthetic; terms: MIT",
        "ImageNet weights; terms: non-commercial research",
        "from the wrist to the middle MCP",
        "| `pa_epe_mm` | 11.25 |  | 16.84 | 3\u202f900 |",
        "val split of freihand, 3960 hands",
        "(B, 3, 128, 128) uint8",
        "1.0e-05 px in u and v, 2.0e-05 mm in the depth",
    ):
        assert said in text, said
    assert "rendered hands only" not in text
    rendered = {"finetune": {"synthetic": "MIT"}}
    for weights, said in ((None, "It saw rendered"), ("a.pt", "Its labels are of rendered")):
        begun = config | {"backbone": {"name": "resnet50", "weights": weights}}
        text = model_card(begun, results, rendered, graph=graph)
        assert f"{said} hands only" in text


def test_terms_are_those_of_the_classes_and_of_every_source_of_a_mix() -> None:
    catalogue = Catalogue()
    for choice in catalogue.choices["dataset"]:
        node = OmegaConf.create(catalogue.content("dataset", choice))
        if "sources" not in node:
            kind = get_class(node._target_)
            cfg = {"objective": {"_target_": None}, "head": {"_target_": "x.Y"}}
            stages = {"pretrain": {"dataset": {}}, "finetune": {"dataset": node}}
            found = build_terms(OmegaConf.create(cfg | stages))
            assert found == {"finetune": {kind.name: kind.terms}}, choice


def test_the_opset_asked_for_is_the_one_written(tmp_path: Path) -> None:
    model, path = make_model("tiny", "regression"), tmp_path / "model.onnx"
    write_graph(model, path, image_size=SIZE, notes={}, opset=20)
    assert [entry.version for entry in onnx.load(path).opset_import if not entry.domain] == [20]
    assert measure(model, path, image_size=SIZE, bone=BONE).holds(1e-4)
    for opset in (17, onnx.defs.onnx_opset_version() + 1):  # PyTorch would write 18 and only warn
        with pytest.raises(ValueError, match=f"--opset {opset}: choose 18 to "):
            write_graph(model, path, image_size=SIZE, notes={}, opset=opset)
