"""Two processes with half a batch each learn what one learns of the whole."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from hands import labelled
from several_ranks import (
    difference,
    every_chunk,
    freeze_statistics,
    in_chunks,
    model_outcome,
    not_gathered,
    objective_outcome,
    own_counts,
    trained_state,
    without_gradient,
)
from tiny_backbone import TinyBackbone
from torch import Tensor
from without_negatives import KINDS, teacher_of

from handpose.backbones.resnet import ResNet
from handpose.distributed import collectives
from handpose.heads.heatmap import HeatmapHead
from handpose.model import PoseModel
from handpose.objectives.contrastive import Contrastive
from handpose.objectives.equivariant import Equivariant
from handpose.objectives.hybrid import Hybrid
from handpose.objectives.relative import Relative
from handpose.records import Target
from handpose.training.pretrainer import Pretrainer

PAIRS, WIDTH = 8, 6
CONTRACT = dict(channels=(4, 6), strides=(4, 8), embedding_dim=WIDTH, image_size=32)
PROJECTED = dict(temperature=0.2, hidden_dim=8, projection_dim=10, decoder_width=4)
COMPARED = dict(projection="embedding", **PROJECTED)
MOVED = ("rotate", "crop", "random_crop", "colour_jitter", "colour_drop")


def build(name: str, settings: Any, contract: dict[str, Any]) -> dict[str, Any]:
    """The parts of an objective."""
    common = dict(augmentation=settings, **contract)
    parts = {
        "contrastive": lambda: Contrastive(**COMPARED, **common),
        "weighted": lambda: Contrastive(**COMPARED, **common),
        "keypoints": lambda: Contrastive(projection="keypoints", **PROJECTED, **common),
        "equivariant": lambda: Equivariant(shift="published", scale=False, **COMPARED, **common),
        "relative": lambda: Relative(hidden_dim=8, num_keypoints=0, decoder_width=4, **common),
        **{kind: partial(make, **common) for kind, make in KINDS.items()},
    }
    names = HYBRIDS.get(name, (name,))
    return {part: parts[part]() for part in names}


HYBRIDS = {"hybrid": ("contrastive", "relative"), "hybrid of byol": ("byol", "relative")}
NAMES = ("contrastive", "weighted", "keypoints", "equivariant", "relative", *KINDS, *HYBRIDS)


@pytest.fixture
def case(make_settings: Callable, views_of: Callable) -> Callable[..., tuple[Hybrid, Any]]:
    """case(name) -> an objective in float64, and random inputs of its parts.

    Two pairs are of one identity, and the first rank's have more masked colours than the second's.
    """

    def make(name: str) -> tuple[Hybrid, Any]:
        torch.manual_seed(0)
        settings = make_settings(*MOVED)
        parts = build(name, settings, CONTRACT)
        objective = Hybrid(parts=parts, weights=dict.fromkeys(parts)).double()
        freeze_statistics(objective)
        views = views_of(settings, PAIRS)
        identity = torch.tensor([0, 1, 2, 3, 0, 5, 2, 7])[:, None].repeat(1, 2)
        grey = views.params.grey.clone()
        grey[::2] = True
        views = views._replace(identity=identity, params=views.params._replace(grey=grey))
        if name == "weighted":
            known = torch.ones(PAIRS, 2, dtype=torch.bool)
            known[3] = False
            views = views._replace(pose=torch.randn(PAIRS, 2, 3), pose_valid=known)
        levels = (torch.rand(PAIRS, 2, 4, 8, 8), torch.rand(PAIRS, 2, 6, 4, 4))
        features = tuple(level.double() for level in levels)
        embedding = torch.randn(PAIRS, 2, WIDTH, dtype=torch.float64)
        return objective, {
            part: (features, embedding, views, *teacher_of(parts[part], embedding))
            for part in parts
        }

    return make


@pytest.mark.parametrize("name", NAMES)
def test_two_ranks_and_one_have_the_same_loss_and_gradients(
    name: str, case: Callable, two_ranks: Callable
) -> None:
    objective, inputs = case(name)
    several = two_ranks(objective_outcome, objective, inputs)
    one = objective_outcome(objective, inputs)
    assert max(gradient.abs().max() for gradient in one.of_weights.values()) > 1e-3
    found = difference(one, several)
    print(f"{name}, two ranks and one: loss and gradients differ by {found:.1e}")
    assert found < 1e-6


@pytest.mark.parametrize("name", ["contrastive", "weighted", "equivariant"])
def test_ranks_share_the_chunks_of_a_large_batch(
    name: str, case: Callable, two_ranks: Callable
) -> None:
    objective, inputs = case(name)
    several = two_ranks(in_chunks, objective, inputs)
    found = difference(objective_outcome(objective, inputs), several)
    print(f"{name} in chunks by two ranks, whole by one: loss and gradients differ by {found:.1e}")
    assert found < 1e-6


@pytest.mark.parametrize(
    ("mistake", "name"),
    [
        (every_chunk, "contrastive"),
        (without_gradient, "contrastive"),
        (without_gradient, "equivariant"),
        (not_gathered, "contrastive"),
        (not_gathered, "weighted"),
        (not_gathered, "vicreg"),
        (not_gathered, "barlow_twins"),
        (without_gradient, "vicreg"),
        (without_gradient, "barlow_twins"),
        (own_counts, "relative"),
        (own_counts, "hybrid"),
    ],
)
def test_mistakes_are_found(
    mistake: Callable, name: str, case: Callable, two_ranks: Callable
) -> None:
    objective, inputs = case(name)
    several = two_ranks(mistake, objective, inputs)
    one = objective_outcome(objective, inputs)
    if mistake is without_gradient:  # the loss alone tells nothing
        assert float(several[0].loss) == pytest.approx(float(one.loss))
    found = difference(one, several)
    print(f"{name}, {mistake.__name__}: loss and gradients differ by {found:.1e}")
    assert found > 1e-3


def pretraining_loss(model: Any, batch: Any) -> Tensor:
    return model(batch)["loss"]


@pytest.fixture
def whole_model(make_settings: Callable, views_of: Callable) -> Callable[[str], tuple[Any, Any]]:
    """whole_model(name) -> a pre-training module in float64 and a batch."""

    def make(name: str) -> tuple[Any, Any]:
        torch.manual_seed(0)
        settings = make_settings(*MOVED)
        parts = build(name, settings, CONTRACT)
        model = Pretrainer(
            backbone=TinyBackbone(),
            objective=Hybrid(parts=parts, weights=dict.fromkeys(parts)),
            optimizer=torch.optim.SGD,
            warmup_epochs=0,
        )
        freeze_statistics(model.double())
        return model, {part: views_of(settings, PAIRS) for part in parts}

    return make


@pytest.mark.parametrize("name", ["contrastive", "equivariant", "relative", *KINDS, *HYBRIDS])
def test_the_whole_model_too(name: str, whole_model: Callable, two_ranks: Callable) -> None:
    model, batch = whole_model(name)
    several = two_ranks(model_outcome, model, pretraining_loss, batch)
    one = model_outcome(model, pretraining_loss, batch)
    assert max(gradient.abs().max() for gradient in one.of_weights.values()) > 1e-3
    found = difference(one, several)
    print(f"{name}, the whole model, two ranks and one: gradients differ by {found:.1e}")
    assert found < 1e-6


@pytest.mark.parametrize("name", [*KINDS, "hybrid of byol"])
def test_after_some_steps_student_and_teacher_are_those_of_one_process(
    name: str, whole_model: Callable, two_ranks: Callable
) -> None:
    model, batch = whole_model(name)
    start = {key: value.clone() for key, value in model.state_dict().items()}
    several = two_ranks(trained_state, model, pretraining_loss, batch, 0.9)
    one = trained_state(model, pretraining_loss, batch, 0.9)
    found = difference(one, several)
    print(f"{name}, three steps, two ranks and one: student and teacher differ by {found:.1e}")
    assert found < 1e-6
    prefixes = ("backbone.", "objective.", *(("teachers.",) if "byol" in name else ()))
    for prefix in prefixes:
        of_part = [key for key in start if key.startswith(prefix)]
        moved = [float((one.of_weights[key] - start[key]).abs().max()) for key in of_part]
        assert max(moved) > 1e-4


def pose_loss(model: Any, target: Target) -> Tensor:
    head = getattr(model, "module", model).head
    return head.loss(model(target.image, target.K), target)["loss"]


def test_a_pose_model_with_unequal_labels_too(two_ranks: Callable) -> None:
    torch.manual_seed(0)
    target = labelled(PAIRS, seed=0)
    images = torch.randint(0, 256, (PAIRS, 3, 64, 64), dtype=torch.uint8)
    uv_valid, z_valid = target.uv_valid.clone(), target.z_valid.clone()
    uv_valid[::2, 5:] = False  # of the first rank
    z_valid[1::4] = False
    target = target._replace(image=images, uv_valid=uv_valid, z_valid=z_valid)
    backbone = ResNet(name="resnet18", weights=None)
    head = HeatmapHead(
        width=8,
        stride=4,
        sigma=1.0,
        heatmap_weight=0.1,
        channels=backbone.channels,
        strides=backbone.strides,
        embedding_dim=backbone.embedding_dim,
        image_size=64,
        reference_bone="index",
        depth_weight=0.1,
        root="wrist",
        root_depth="refined",
        refine_weight=1.0,
    )
    model = PoseModel(backbone=backbone, head=head, freeze_backbone=False)
    freeze_statistics(model)
    several = two_ranks(model_outcome, model, pose_loss, target)
    one = model_outcome(model, pose_loss, target)
    scale = max(float(gradient.abs().max()) for gradient in one.of_weights.values())
    assert difference(one, several) < 1e-5 * scale  # the head's poses are float32


def test_what_one_rank_decides_all_follow(two_ranks: Callable) -> None:
    assert two_ranks(decide) == [(0, [0, 1], "of rank 0"), (0, [0, 1], "of rank 0")]
    assert collectives.decided(partial(int, 3)) == 3
    assert collectives.everyones("alone") == ["alone"]


def decide() -> tuple[int, list[int], str]:
    """What the ranks agree on; a failure of the first ends them all."""
    own = collectives.rank()
    try:
        collectives.decided(refuse)
    except SystemExit as error:
        reason = str(error) if own == 0 else "of rank 0" * (error.code == 1)
    collectives.wait()
    return collectives.decided(collectives.rank), collectives.everyones(own), reason


def refuse() -> None:
    raise SystemExit("of rank 0")


def test_all_leave_with_the_exit_code_of_the_first(two_ranks: Callable) -> None:
    """A run that was told to stop has not failed, whichever of its processes leaves first."""
    assert two_ranks(exit_code) == [143, 143]


def exit_code() -> object:
    try:
        collectives.decided(partial(sys.exit, 143))
    except SystemExit as error:
        return error.code
    return 0


def test_buffers_become_those_of_the_first_rank(two_ranks: Callable) -> None:
    assert two_ranks(taken_buffer) == [0.0, 0.0]


def taken_buffer() -> float:
    module = torch.nn.BatchNorm1d(1)
    module.running_mean.fill_(collectives.rank())
    collectives.take_buffers_of_first(module)
    return float(module.running_mean)


def test_all_ranks_learn_one_call_later_that_one_said_yes(two_ranks: Callable) -> None:
    assert two_ranks(answers) == [[False, False, True, False]] * 2
    assert [collectives.AnyRank().ask(value) for value in (False, True)] == [False, True]


def answers() -> list[bool]:
    any_rank = collectives.AnyRank()
    return [any_rank.ask(collectives.rank() == 1 and call == 1) for call in range(4)]
