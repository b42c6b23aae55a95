"""Any timm model that gives feature maps, as a pyramid or as one map of a single stride."""

from collections.abc import Sequence
from typing import Any

import torch
from timm.models import group_parameters
from torch import Tensor

from handpose.backbones.base import IMAGENET_MEAN, IMAGENET_STD, Backbone
from handpose.backbones.timm_model import as_nchw, create
from handpose.records import Features
from handpose.weights.load import PRETRAINED, load_weights


class TimmBackbone(Backbone):
    """A model of timm without its classifier.

    The last level is the map that timm pools for its classifier, after the model's norm. The
    embedding is timm's own pooling of it: class token, mean or attention, with the layers behind.

    Args:
        name: Of timm, with a tag of weights or without, such as convnext_tiny.fb_in22k. The tag
            decides on the statistics of the channels too.
        weights: None, "pretrained" (downloads timm's), or a path (see `load_weights`).
        drop_path: Probability with which a sample skips the last residual block in training; it
            falls linearly towards the first block.
        image_sizes: Sides in px of the images that it has to take; () for the size that the model
            was published for. A model whose input size is fixed is made for the one given.

    Raises:
        ValueError: timm has no such model, weights or option, the model gives no feature maps, or
            it does not take images of these sizes.
    """

    published = "pretrained"
    takes_image_sizes = True

    def __init__(
        self,
        *,
        name: str = "efficientnet_b0",
        weights: str | None = None,
        drop_path: float = 0.0,
        image_sizes: Sequence[int] = (),
    ) -> None:
        sizes = tuple(dict.fromkeys(image_sizes))
        options = {"drop_path_rate": drop_path} if drop_path else {}
        network, maps = create(name, sizes, **options)
        super().__init__(
            mean=_in_bytes(network.pretrained_cfg.get("mean"), IMAGENET_MEAN),
            std=_in_bytes(network.pretrained_cfg.get("std"), IMAGENET_STD),
        )
        self.network, self.name, self._maps, self._sizes = network, name, maps, sizes
        self.channels = tuple(level.channels for level in maps.levels)
        self.strides = tuple(level.stride for level in maps.levels)
        if weights == PRETRAINED and not _is_published(network):
            raise ValueError(
                f"backbone.weights=pretrained: timm publishes none of {name}; choose another name "
                "(timm.list_pretrained()), a file of weights, or null"
            )
        load_weights(network, weights, published={PRETRAINED: self._published}, adapt=self.adapt)

    @property
    def embedding_dim(self) -> int:
        return self._maps.embedding_dim

    def layers(self) -> list[tuple[str, ...]]:
        """Returns the names of the parameters of each of timm's own groups, from the input up."""
        if not hasattr(self.network, "group_matcher"):
            return super().layers()
        groups = group_parameters(self.network, self.network.group_matcher(coarse=False))
        return [tuple(groups[number]) for number in sorted(groups)]

    def forward(self, image: Tensor) -> tuple[Features, Tensor]:
        """Returns timm's intermediate maps with the last one, and timm's pooling of the last."""
        indices = self._maps.indices
        last, maps = self.network.forward_intermediates(image, indices=list(indices))
        embedding = self.network.forward_head(last, pre_logits=True).flatten(1)
        coarse = as_nchw(last, self._maps)
        if self.training and torch.is_grad_enabled():
            coarse = _WithGradient.apply(coarse, embedding)
        own = dict(zip(indices, maps, strict=True)) | {None: coarse}
        return tuple(own[level.place] for level in self._maps.levels), embedding

    def adapt(self, state: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
        """Reads the weights as timm reads them; drops the classifier.

        timm renames the tensors of the models' own projects, and resamples position embeddings and
        relative position biases of another grid.
        """
        own = self.network.state_dict()
        if all(name in own and value.shape == own[name].shape for name, value in state.items()):
            return state, []
        heads = self.network.pretrained_cfg.get("classifier") or ()
        heads = (heads,) if isinstance(heads, str) else tuple(heads)
        dropped = {f"{head}.{kind}" for head in heads for kind in ("weight", "bias")} - own.keys()
        kept = {name: value for name, value in state.items() if name not in dropped}
        notes = [f"dropped the classifier ({', '.join(heads)})"] if len(kept) < len(state) else []
        try:
            read = self._created(state_dict=dict(kept), num_classes=0, label_offset=0)
        except (RuntimeError, KeyError, ValueError):  # does not fit: `fill` says why
            return kept, notes
        return read, notes + [
            f"resampled {name} from {tuple(kept[name].shape)} to {tuple(value.shape)}"
            for name, value in read.items()
            if name in kept and kept[name].shape != value.shape
        ]

    def _published(self) -> dict[str, Tensor]:
        return self._created()

    def _created(self, **overlay: Any) -> dict[str, Tensor]:
        """Returns the weights of such a model as timm loads them, after changes of their config."""
        options: dict[str, Any] = {"pretrained": True}
        if overlay:
            options["pretrained_cfg_overlay"] = {"custom_load": False, **overlay}
        with torch.random.fork_rng(devices=[]):  # the rest starts the same with and without weights
            network, _ = create(self.name, self._sizes, **options)
        return network.state_dict()


class _WithGradient(torch.autograd.Function):
    """The identity of a map, which gives the embedding a gradient of 0.

    Layers that only the embedding passes would otherwise get none from a head that reads the
    features, and DDP refuses that.
    """

    @staticmethod
    def forward(ctx: Any, level: Tensor, embedding: Tensor) -> Tensor:
        ctx.save_for_backward(embedding)
        return level.view_as(level)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (embedding,) = ctx.saved_tensors
        return gradients[0], torch.zeros_like(embedding)


def _in_bytes(values: Sequence[float] | None, default: Sequence[float]) -> Sequence[float]:
    """Channel statistics of timm, which are those of 0..1, in 0..255."""
    return default if values is None else [255 * value for value in values]


def _is_published(network: Any) -> bool:
    config = network.pretrained_cfg
    return any(config.get(key) for key in ("url", "file", "hf_hub_id"))
