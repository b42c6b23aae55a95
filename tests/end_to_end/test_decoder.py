"""The decoder that latent keypoints were read through goes on under a head with a decoder."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from torch import Tensor

from handpose.config.schema import register
from handpose.model import PoseModel
from handpose.pipeline import parts
from handpose.pipeline.stages.finetune import begin

CONF = str(Path(__file__).resolve().parents[2] / "conf")
Train = Callable[..., Path]
KEYPOINTS = ("objective=relative", "objective.num_keypoints=4", "pretrain.share=true")


def start(*overrides: str, head: str = "heatmap") -> PoseModel:
    """The model that fine-tuning starts with."""
    register()
    with initialize_config_dir(CONF, version_base="1.3"):
        cfg = compose("config", overrides=[f"head={head}", "dataset.image_size=32", *overrides])
    torch.manual_seed(0)
    return begin(cfg, parts.build_backbone(cfg)).model


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one.keys() | other.keys())


def test_it_is_left_beside_the_backbone_shared_and_taken(train: Train) -> None:
    content = torch.load(train(*KEYPOINTS, "head=none") / "backbone.pt", weights_only=True)
    taken = torch.load(train(*KEYPOINTS, "head=none", name="other") / "backbone.pt")
    assert same(content["decoder"], taken["decoder"])
    weights = f"backbone.weights={train(*KEYPOINTS, 'head=none') / 'backbone.pt'}"
    assert same(start(weights).head.decoder.state_dict(), content["decoder"])
    assert same(start(weights, head="simcc").head.decoder.state_dict(), content["decoder"])
    fresh = start().head.decoder.state_dict()
    assert not same(fresh, content["decoder"])
    assert same(start(weights, "finetune.transfer_decoder=false").head.decoder.state_dict(), fresh)


def test_an_objective_without_one_leaves_none(train: Train) -> None:
    run_dir = train("objective=relative", "head=none")
    assert torch.load(run_dir / "backbone.pt", weights_only=True)["decoder"] is None
    start(f"backbone.weights={run_dir / 'backbone.pt'}")


def test_of_another_width_it_is_refused_with_what_to_do(train: Train) -> None:
    run_dir = train(*KEYPOINTS, "objective.decoder_width=16", "head=none")
    with pytest.raises(ValueError, match=r"head\.width.*transfer_decoder=false"):
        start(f"backbone.weights={run_dir / 'backbone.pt'}")


def test_fine_tuning_begins_with_it_in_the_same_run(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[dict[str, Tensor]] = []
    monkeypatch.setattr(
        "handpose.heads.base.Head.take_decoder", lambda self, state: taken.append(state)
    )
    run_dir = train(*KEYPOINTS, "head=heatmap")
    (state,) = taken
    assert same(state, torch.load(run_dir / "backbone.pt", weights_only=True)["decoder"])
