"""What two processes do of a test: each its share of a batch, on gloo."""

import copy
import multiprocessing
import os
import socket
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from handpose.distributed import collectives
from handpose.distributed.collectives import joined, rank, world_size
from handpose.objectives import nt_xent, nt_xent_chunks, relative
from handpose.objectives.hybrid import Hybrid
from handpose.training.monitors import EpochMeans

WORLD = 2


class Ranks:
    """Processes that wait for work: `ranks(function, *arguments)` -> what each returns, by rank."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pool = ProcessPoolExecutor(WORLD, context)

    def __call__(self, function: Callable, *arguments: Any) -> list[Any]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        calls = [
            self.pool.submit(_joined, place, port, function, arguments) for place in range(WORLD)
        ]
        return [call.result(timeout=120) for call in calls]


def _joined(place: int, port: int, function: Callable, arguments: tuple) -> Any:
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with joined(rank=place, world_size=WORLD, backend="gloo"):
        return function(*arguments)


class Outcome(NamedTuple):
    """A loss, and the gradients of the embeddings and of the weights."""

    loss: Tensor
    of_embeddings: dict[str, Tensor]  # (B, 2, E), this rank's rows
    of_weights: dict[str, Tensor]


def share(record: Any) -> Any:
    """This rank's rows of every tensor: r, r + W, r + 2 W, ..., as the training sampler has it."""
    if isinstance(record, Tensor):
        return record[rank() :: world_size()]
    if isinstance(record, dict):
        return {name: share(part) for name, part in record.items()}
    items = [share(item) for item in record]
    return type(record)(*items) if hasattr(record, "_fields") else tuple(items)


def objective_outcome(objective: Hybrid, inputs: dict[str, Any]) -> Outcome:
    """Of the parts' inputs; what DDP would average is averaged."""
    own = share(inputs)
    leaves = {part: own[part][1].clone().requires_grad_() for part in own}
    loss = objective({part: (own[part][0], leaves[part], *own[part][2:]) for part in own})["loss"]
    loss.backward()
    weights = {name: p.grad for name, p in objective.named_parameters() if p.requires_grad}
    return Outcome(
        collectives.total(loss.detach()) / world_size(),
        {
            part: (torch.zeros_like(leaf) if leaf.grad is None else leaf.grad) / world_size()
            for part, leaf in leaves.items()
        },
        {name: collectives.total(grad) / world_size() for name, grad in weights.items()},
    )


def in_chunks(objective: Hybrid, inputs: dict[str, Any]) -> Outcome:
    """As `objective_outcome`, with NT-Xent in chunks of three rows as for a large batch."""
    limits = nt_xent.MAX_WHOLE, nt_xent_chunks.LEAST_ROWS, nt_xent_chunks.NUM_CHUNKS
    nt_xent.MAX_WHOLE, nt_xent_chunks.LEAST_ROWS, nt_xent_chunks.NUM_CHUNKS = 0, 3, 100
    try:
        return objective_outcome(objective, inputs)
    finally:
        nt_xent.MAX_WHOLE, nt_xent_chunks.LEAST_ROWS, nt_xent_chunks.NUM_CHUNKS = limits


def every_chunk(objective: Hybrid, inputs: dict[str, Any]) -> Outcome:
    """A mistake: each rank takes the chunks of all."""
    right = nt_xent.own_chunks
    nt_xent.own_chunks = list
    try:
        return in_chunks(objective, inputs)
    finally:
        nt_xent.own_chunks = right


def difference(one: Outcome, several: list[Outcome]) -> float:
    """The greatest difference between one process and several, of the loss and of any gradient."""
    pairs = [(one.loss, outcome.loss) for outcome in several]
    for part, gradient in one.of_embeddings.items():
        rows = [outcome.of_embeddings[part] for outcome in several]
        pairs.append((gradient, torch.stack(rows, dim=1).flatten(0, 1)))
    for outcome in several:
        assert one.of_weights.keys() == outcome.of_weights.keys()
        pairs += [(one.of_weights[name], outcome.of_weights[name]) for name in one.of_weights]
    return max(float((a - b).abs().max()) for a, b in pairs)


def without_gradient(objective: Hybrid, inputs: dict[str, Any]) -> Outcome:
    """A mistake: the other ranks' views are negatives, without gradient."""
    right = collectives._Gather.backward
    collectives._Gather.backward = staticmethod(_own_rows)
    try:
        return objective_outcome(objective, inputs)
    finally:
        collectives._Gather.backward = right


def _own_rows(ctx: Any, gradient: Tensor) -> Tensor:
    return gradient.chunk(world_size())[rank()]


def not_gathered(objective: Hybrid, inputs: dict[str, Any]) -> Outcome:
    """Another: each rank by itself, with fewer negatives."""
    return objective_outcome(objective.eval(), inputs)


def own_counts(objective: Hybrid, inputs: dict[str, Any]) -> Outcome:
    """Another: a masked mean divides by the count of its own rank."""
    right = relative.masked_mean
    relative.masked_mean = _own_mean
    try:
        return objective_outcome(objective, inputs)
    finally:
        relative.masked_mean = right


def _own_mean(values: Tensor, valid: Tensor) -> Tensor:
    return torch.where(valid, values, 0.0).sum() / valid.sum().clamp(min=1)


def model_outcome(model: nn.Module, loss_of: Callable, batch: Any) -> Outcome:
    """Of a whole model under DDP, with BatchNorm as in evaluation."""
    wrapped = DistributedDataParallel(model) if world_size() > 1 else model
    loss = loss_of(wrapped, share(batch))
    loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return Outcome(collectives.total(loss.detach()) / world_size(), {}, gradients)


def trained_state(model: Any, loss_of: Callable, batch: Any, momentum: float) -> Outcome:
    """The state of a whole model and its teachers after three steps under DDP.

    Args:
        model: a `Pretrainer`.
        loss_of: (model, batch) -> loss.
        batch: of all ranks.
        momentum: of the optimizer.
    """
    model = copy.deepcopy(model)  # the processes have one memory of what they were given
    wrapped = DistributedDataParallel(model) if world_size() > 1 else model
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.1, momentum=momentum)
    for step in range(3):
        optimizer.zero_grad()
        loss = loss_of(wrapped, share(batch))
        loss.backward()
        optimizer.step()
        model.move_teachers(step, total_steps=8)
    state = {name: value.detach() for name, value in model.state_dict().items()}
    return Outcome(collectives.total(loss.detach()) / world_size(), {}, state)


def freeze_statistics(model: nn.Module) -> nn.Module:
    """BatchNorm as in evaluation, all else as in training."""
    for module in model.train().modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
    return model


def mean_of_an_epoch(losses: Tensor, cut: int | None) -> Tensor:
    """The mean () of (steps, W), of which each rank has a column, saved and loaded before `cut`."""
    means = EpochMeans()
    for step, row in enumerate(losses):
        if step == cut:
            saved = means.state_dict()
            means = EpochMeans()
            means.load_state_dict(collectives.decided(partial(dict, saved)))  # all read one file
        means.add({"loss": row[rank()]}, weight=1)
    return means.take()["loss"]
