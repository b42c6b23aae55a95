"""Chunks through the backbone and the loss on the whole batch: the gradients of the whole batch."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import pytest
import torch
from several_ranks import Outcome, difference, freeze_statistics, model_outcome
from tiny_backbone import TinyBackbone
from torch import Tensor, nn
from without_negatives import KINDS

from handpose.objectives.contrastive import Contrastive
from handpose.objectives.equivariant import Equivariant
from handpose.objectives.hybrid import Hybrid
from handpose.objectives.relative import Relative
from handpose.training import gradient_cache
from handpose.training.pretrainer import Pretrainer

PAIRS = 8
SETTINGS = ("rotate", "crop", "colour_jitter")
PROJECTED = dict(temperature=0.2, hidden_dim=8, projection_dim=10, decoder_width=4)


def _one_part(make: Callable[..., Any], **contract: Any) -> dict[str, Any]:
    return {"a": make(**contract)}


MAKERS: dict[str, Callable[..., dict[str, Any]]] = {
    "contrastive": lambda **c: {"a": Contrastive(projection="embedding", **PROJECTED, **c)},
    "keypoints": lambda **c: {"a": Contrastive(projection="keypoints", **PROJECTED, **c)},
    "equivariant": lambda **c: {
        "a": Equivariant(shift="exact", scale=True, projection="maps", **PROJECTED, **c)
    },
    "hybrid": lambda **c: {
        "a": Contrastive(projection="embedding", **PROJECTED, **c),
        "b": Relative(hidden_dim=8, num_keypoints=3, decoder_width=4, **c),
    },
    **{name: partial(_one_part, make) for name, make in KINDS.items()},
}


@pytest.fixture
def model_and_batch(make_settings: Callable, views_of: Callable) -> Callable[..., tuple[Any, Any]]:
    """model_and_batch(name, chunk, dropout=0.0) in float64, always from the same weights."""

    def make(name: str, chunk: int | None, *, dropout: float = 0.0) -> tuple[Pretrainer, Any]:
        torch.manual_seed(0)
        settings, backbone = make_settings(*SETTINGS), TinyBackbone(dropout=dropout)
        parts = MAKERS[name](
            channels=backbone.channels,
            strides=backbone.strides,
            embedding_dim=backbone.embedding_dim,
            image_size=32,
            augmentation=settings,
        )
        model = Pretrainer(
            backbone=backbone,
            objective=Hybrid(parts=parts, weights=dict.fromkeys(parts)),
            optimizer=torch.optim.SGD,
            warmup_epochs=0,
            gradient_cache_chunk=chunk,
        )
        return model.double(), {part: views_of(settings, PAIRS) for part in parts}

    return make


def loss_of(model: nn.Module, batch: Any) -> Tensor:
    return model(batch)["loss"]


@pytest.mark.parametrize("chunk", [1, 3, 8])
@pytest.mark.parametrize("name", MAKERS)
def test_chunks_have_the_gradients_of_the_whole_batch(
    name: str, chunk: int, model_and_batch: Callable
) -> None:
    outcomes = []
    for size in (None, chunk):
        model, batch = model_and_batch(name, size)
        outcomes.append(model_outcome(freeze_statistics(model), loss_of, batch))
    gradients = outcomes[0].of_weights
    assert all(gradients[name].abs().max() > 1e-4 for name in gradients if "backbone" in name)
    found = difference(outcomes[0], outcomes[1:])
    print(f"{name}, in chunks of {chunk} and whole: gradients differ by {found:.1e}")
    assert found < 1e-10


def test_accumulated_small_batches_have_others(model_and_batch: Callable) -> None:
    """The mean of the chunks' own losses lacks the negatives of the other chunks."""
    model, batch = model_and_batch("contrastive", None)
    whole = model_outcome(freeze_statistics(model), loss_of, batch)
    model, batch = model_and_batch("contrastive", None)
    freeze_statistics(model)
    halves = [_rows(batch, slice(start, start + 4)) for start in (0, 4)]
    loss = torch.stack([loss_of(model, half) for half in halves]).mean()
    loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    found = difference(whole, [Outcome(loss.detach(), {}, gradients)])
    print(f"accumulated and whole: gradients differ by {found:.1e}")
    assert found > 1e-2


def _rows(record: Any, rows: slice) -> Any:
    if isinstance(record, dict):
        return {name: _rows(part, rows) for name, part in record.items()}
    if isinstance(record, Tensor):
        return record[rows]
    return type(record)(*(_rows(item, rows) for item in record))


def in_chunks_with_graph(encode: Callable, images: Any, *, chunk: int, network: nn.Module) -> Any:
    """The slow version: every chunk's graph is kept, and nothing is done twice."""
    chunks = [
        encode({part: image[start : start + chunk] for part, image in images.items()})
        for start in range(0, PAIRS, chunk)
    ]
    return {part: gradient_cache.joined([c[part] for c in chunks]) for part in images}


@pytest.mark.parametrize("name", ["contrastive", "hybrid"])
def test_in_training_a_chunk_has_statistics_and_random_numbers_of_its_own_once(
    name: str, model_and_batch: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained() -> tuple[Outcome, dict[str, Tensor]]:
        model, batch = model_and_batch(name, 2, dropout=0.5)
        torch.manual_seed(1)
        outcome = model_outcome(model.train(), loss_of, batch)
        return outcome, {key: b.clone() for key, b in model.backbone.named_buffers()}

    cached, buffers = trained()
    monkeypatch.setattr("handpose.training.pretrainer.encode_in_chunks", in_chunks_with_graph)
    slow, expected = trained()
    assert difference(slow, [cached]) < 1e-10
    assert all(torch.equal(buffers[key], expected[key]) for key in expected)
    assert int(expected["network.0.1.num_batches_tracked"]) == PAIRS // 2


def test_a_second_pass_that_updates_the_statistics_is_found(
    model_and_batch: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradient_cache, "_same_buffers", lambda network: nullcontext())
    model, batch = model_and_batch("contrastive", 2)
    model_outcome(model.train(), loss_of, batch)
    assert int(model.backbone.network[0][1].num_batches_tracked) == 2 * PAIRS // 2


def test_two_ranks_in_chunks_and_one_without_have_the_same_gradients(
    model_and_batch: Callable, two_ranks: Callable
) -> None:
    model, batch = model_and_batch("hybrid", 3)
    several = two_ranks(model_outcome, freeze_statistics(model), loss_of, batch)
    model, batch = model_and_batch("hybrid", None)
    one = model_outcome(freeze_statistics(model), loss_of, batch)
    found = difference(one, several)
    print(f"two ranks in chunks and one without: gradients differ by {found:.1e}")
    assert found < 1e-6


def test_only_a_chunk_is_held(model_and_batch: Callable) -> None:
    """What autograd keeps of the backbone before the backward pass does not grow with the batch."""
    kept = {}
    for chunk in (None, 1):
        model, batch = model_and_batch("contrastive", chunk)
        sizes: list[int] = []

        def pack(tensor: Tensor, sizes: list[int] = sizes) -> Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            model.train()(batch)
        kept[chunk] = sum(sizes)
    assert kept[1] < 0.2 * kept[None]
