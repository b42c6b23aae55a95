"""Gradient caching: encode a large batch in chunks, compute the loss on the whole batch.

Implements Gao et al. (arXiv 2101.06983). Gradient accumulation does not replace a large
contrastive batch, since each small batch has only its own negatives. Here every chunk is encoded
without storing activations, and the loss of the whole batch gives each embedding's gradient. Each
chunk is then encoded again to propagate its gradients. Memory holds the activations of one chunk;
the cost is a second forward pass.

`torch.utils.checkpoint` runs the second pass with the random state of the first, within the one
backward pass of the loss. DDP, precision plugins and gradient accumulation need no changes.

BatchNorm normalises each chunk separately, as each rank does under DDP. Running statistics are
updated once per chunk, in the first pass. The objective's own layers see the whole batch.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from handpose.records import Features

# By part of the objective: images (B, V, 3, S, S) of its views; features[i] (B, V, C, h, w) and
# embedding (B, V, E) from the backbone.
Images = Mapping[str, Tensor]
Encoded = dict[str, tuple[Features, Tensor]]


def encode_in_chunks(
    encode: Callable[[Images], Encoded], images: Images, *, chunk: int, network: nn.Module
) -> Encoded:
    """Compute `encode(images)` in chunks of pairs.

    Args:
        encode: encodes any number of pairs.
        images: of all parts, with the same number B of pairs.
        chunk: pairs per chunk; the last may be smaller.
        network: module whose buffers `encode` updates.
    """

    def contexts() -> tuple[AbstractContextManager, AbstractContextManager]:
        return nullcontext(), _same_buffers(network)

    count = len(next(iter(images.values())))
    chunks = [
        checkpoint(
            encode,
            {part: image[start : start + chunk] for part, image in images.items()},
            use_reentrant=False,
            context_fn=contexts,
        )
        for start in range(0, count, chunk)
    ]
    return {part: joined([encoded[part] for encoded in chunks]) for part in images}


def joined(chunks: list[tuple[Features, Tensor]]) -> tuple[Features, Tensor]:
    """Concatenate features and embeddings of chunks of pairs."""
    levels = zip(*(features for features, _ in chunks), strict=True)
    embedding = torch.cat([embedding for _, embedding in chunks])
    return tuple(torch.cat(level) for level in levels), embedding


@contextmanager
def _same_buffers(network: nn.Module) -> Iterator[None]:
    """Restore the buffers of `network` after the block."""
    owners = [
        (module, name, buffer)
        for module in network.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    for module, name, buffer in owners:
        setattr(module, name, buffer.clone())
    try:
        yield
    finally:
        for module, name, buffer in owners:
            setattr(module, name, buffer)
