"""Large batches in little memory: the backbone takes the batch in chunks, the loss takes it whole.

Gradient caching (Gao et al., arXiv 2101.06983). Accumulating gradients over small batches is no way
to a large contrastive one, for each has its own negatives only. Here every chunk is encoded without
keeping what its backward pass needs; the loss of the whole batch gives the gradient of each
embedding; then chunk after chunk is encoded once more, and its embeddings' gradients go back
through it. So the activations of one chunk are held at a time, for one more forward pass.

The second pass is that of `torch.utils.checkpoint`, within the one backward pass of the loss. It
has the random state of the first. DDP sees each gradient once, complete, and precision plugins and
accumulation are as ever.

What BatchNorm does in the backbone: it normalises each chunk by itself, so a chunk has statistics
of its own, as a process has under DDP. Its running buffers take every chunk in once: the second
pass leaves them alone. The objective's own layers see the whole batch.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from handpose.records import Features

# By part of the objective: its views' images (B, V, 3, S, S), and what the backbone makes of them,
# features[i] (B, V, C, h, w) and embedding (B, V, E).
Images = Mapping[str, Tensor]
Encoded = dict[str, tuple[Features, Tensor]]


def encode_in_chunks(
    encode: Callable[[Images], Encoded], images: Images, *, chunk: int, network: nn.Module
) -> Encoded:
    """`encode(images)`, `chunk` pairs of each part at a time.

    Args:
        encode: of any number of pairs.
        images: of all parts, with the same number B of pairs.
        chunk: pairs; the last chunk has what is left.
        network: whose buffers `encode` changes.
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
    return {part: _joined([encoded[part] for encoded in chunks]) for part in images}


def _joined(chunks: list[tuple[Features, Tensor]]) -> tuple[Features, Tensor]:
    levels = zip(*(features for features, _ in chunks), strict=True)
    embedding = torch.cat([embedding for _, embedding in chunks])
    return tuple(torch.cat(level) for level in levels), embedding


@contextmanager
def _same_buffers(network: nn.Module) -> Iterator[None]:
    """Whatever is done to the buffers of `network` meanwhile is done to copies."""
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
