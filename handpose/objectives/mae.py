"""The MAE objective: reconstruction. Masked autoencoders (He et al., arXiv 2111.06377) for ViTs.

Most patches of a view are hidden. The backbone encodes the visible ones, and a small decoder
predicts the pixels of the hidden ones. The modules are lightly's, around timm's ViT.
N views, T patches of p x p px, K of them visible, P prefix tokens (class and registers), C channels
of the backbone, D of the decoder.
"""

import math
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from lightly.models.modules import (
    MaskedVisionTransformerDecoderTIMM,
    MaskedVisionTransformerTIMM,
)
from lightly.models.utils import patchify, random_grid_token_mask, set_at_index
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from handpose.backbones.base import Backbone
from handpose.objectives.base import Objective
from handpose.records import Features, Views

# Variance of rounding to 8 bits, for intensities of 0..1: a patch without texture has targets of 0.
_ROUNDING = 1 / (12 * 255**2)
_SEED_OF_EVALUATION = 0


class MaskedAutoencoder(Objective):
    """Mean squared error of the hidden patches' pixels, each patch standardised by its own pixels.

    Both views of a pair are reconstructed, each by itself. In training the masks come from torch's
    random numbers. In evaluation they are always the same, and the embedding is that of the whole
    image.

    Args:
        mask_ratio: Share of the patches that is hidden.
        decoder_width: D.
        decoder_depth: Transformer blocks of the decoder.
        decoder_heads: Attention heads of each block; divides D.
        normalise_patches: Whether targets are standardised; else intensities in 0..1.
        **contract: See `Objective`.

    Raises:
        ValueError: The ratio leaves no patch visible or none hidden, or heads do not divide D.
    """

    encodes_views = True
    fits_backbones = ("vit_", "deit_", "deit3_", "flexivit_", "test_vit")
    # fmt: off
    unfit_backbones = ("dinov3", "rope", "relpos", "distilled", "_r26_", "_r50_", "_r_s16_",
                       "resnet", "_mci_", "_pe_", "lingbot", "sapiens2")
    # fmt: on

    def __init__(
        self,
        *,
        mask_ratio: float = 0.75,
        decoder_width: int = 128,
        decoder_depth: int = 2,
        decoder_heads: int = 4,
        normalise_patches: bool = True,
        **contract: Any,
    ) -> None:
        super().__init__(**contract)
        self.patch_size = contract["strides"][-1]
        self.num_patches = (self.image_size // self.patch_size) ** 2
        self.mask_ratio, self.normalise_patches = mask_ratio, normalise_patches
        num_kept = int(self.num_patches * (1 - mask_ratio))
        if not 0 < num_kept < self.num_patches:
            raise ValueError(
                f"objective.mask_ratio={mask_ratio}: {num_kept} of {self.num_patches} patches stay "
                f"visible (views of {self.image_size} px, patches of {self.patch_size} px); one at "
                "least must be visible and one hidden. Set another ratio, or larger images"
            )
        if decoder_width % math.lcm(4, decoder_heads):
            raise ValueError(
                f"objective.decoder_width={decoder_width} must be a multiple of 4 and of "
                f"objective.decoder_heads={decoder_heads}"
            )
        self.enter = nn.Linear(contract["channels"][-1], decoder_width)
        self.decoder_blocks = MaskedVisionTransformerDecoderTIMM(
            num_patches=self.num_patches,
            embed_dim=decoder_width,
            depth=decoder_depth,
            num_heads=decoder_heads,
            num_prefix_tokens=0,
        )
        self.leave = nn.Linear(decoder_width, 3 * self.patch_size**2)

    def encode(self, backbone: Backbone, image: Tensor) -> tuple[Features, Tensor]:
        """Encodes the visible patches.

        Args:
            backbone: With a plain ViT of timm.
            image: (B, V, 3, S, S) uint8.

        Returns:
            Features: the tokens (B, V, P + K, C) and the places (B, V, K) of the visible patches.
            The embedding (B, V, E): of the visible patches in training, of the whole image where no
            gradient is computed.

        Raises:
            ValueError: The network is not a plain ViT.
        """
        vit, leading = plain_vit(backbone), image.shape[:2]
        views = image.flatten(0, 1)
        kept = self._visible(len(views), vit.num_prefix_tokens, image.device)
        tokens = masking(vit).encode(backbone.normalise(views), idx_keep=kept)
        places = kept[:, vit.num_prefix_tokens :] - vit.num_prefix_tokens
        embedding = _pooled(vit, tokens).unflatten(0, leading)
        if not (self.training or torch.is_grad_enabled()):
            _, embedding = backbone.encode(image)
        return (tokens.unflatten(0, leading), places.unflatten(0, leading)), embedding

    def _visible(self, count: int, num_prefix: int, device: torch.device) -> Tensor:
        """Draws the tokens (N, P + K) that are encoded; in evaluation without random numbers."""
        devices = [device] if device.type == "cuda" else []
        with nullcontext() if self.training else torch.random.fork_rng(devices):
            if not self.training:
                torch.manual_seed(_SEED_OF_EVALUATION)
            kept, _ = random_grid_token_mask(
                (count, num_prefix + self.num_patches),
                mask_ratio=self.mask_ratio,
                grid_size=1,
                num_prefix_tokens=num_prefix,
                device=device,
            )
        return kept

    def forward(self, features: Features, embedding: Tensor, views: Views) -> dict[str, Tensor]:
        tokens, places = (part.flatten(0, 1) for part in features)
        predicted = self.reconstruct(tokens, places)
        target = self.targets(views.image.flatten(0, 1))
        hidden = hidden_patches(places, self.num_patches)
        # Each view hides as many patches, so that nothing is counted on the device.
        mean = partial(_mean_of, hidden=hidden, count=hidden.numel() - places.numel())
        error = mean((predicted.to(target.dtype) - target).square())
        # Layers that only pool the tokens get a gradient of 0, since DDP needs one of each layer.
        loss = error + 0.0 * embedding.sum() if embedding.requires_grad else error
        return {
            "loss": loss,
            "reconstruction_error": error,
            "reconstruction_chance": mean(target.square()),
        }

    def reconstruct(self, tokens: Tensor, places: Tensor) -> Tensor:
        """Predicts all patches (N, T, 3 p p).

        Args:
            tokens: (N, P + K, C) of the backbone.
            places: (N, K) of the visible patches.
        """
        entered = self.enter(tokens)
        prefix, visible = entered.tensor_split([-places.shape[1]], dim=1)
        patches = visible.new_zeros(len(visible), self.num_patches, visible.shape[-1])
        patches = set_at_index(patches, places, visible)
        hidden = hidden_patches(places, self.num_patches)
        patches = self.decoder_blocks.preprocess(patches, mask=hidden)
        decoded = self.decoder_blocks.decode(torch.cat((prefix.to(patches.dtype), patches), dim=1))
        return self.leave(decoded[:, prefix.shape[1] :])

    def targets(self, image: Tensor) -> Tensor:
        """Returns the patches (N, T, 3 p p) that are predicted, float32 or better.

        Args:
            image: (N, 3, S, S) uint8.
        """
        patches = patchify(image.to(self.leave.weight.dtype) / 255, self.patch_size)
        if not self.normalise_patches:
            return patches
        variance, mean = torch.var_mean(patches, dim=-1, keepdim=True)
        return (patches - mean) / (variance + _ROUNDING).sqrt()


def plain_vit(backbone: Backbone) -> VisionTransformer:
    """Returns timm's ViT of a backbone.

    Raises:
        ValueError: It is another network, or has no position embeddings to mask by.
    """
    vit = backbone.network
    if type(vit) is not VisionTransformer or vit.pos_embed is None:
        raise ValueError(
            f"objective=mae masks the patches of a plain ViT, and the backbone is a "
            f"{type(vit).__name__}; choose backbone=vit_small or vit_base, or another objective"
        )
    return vit


def masking(vit: VisionTransformer) -> MaskedVisionTransformerTIMM:
    """Returns lightly's wrapper, which encodes a part of the patches with the weights of `vit`.

    It is made for each call, so that the weights stay those of the backbone alone. It has no mask
    token: hidden patches are left out.
    """
    unused = nn.Parameter(torch.empty(0), requires_grad=False)
    return MaskedVisionTransformerTIMM(
        vit, mask_token=unused, weight_initialization="skip", pos_embed_initialization="skip"
    )


def hidden_patches(places: Tensor, num_patches: int) -> Tensor:
    """Returns which patches are hidden (N, T) bool.

    Args:
        places: (N, K) of the visible patches.
        num_patches: T.
    """
    hidden = torch.ones(len(places), num_patches, dtype=torch.bool, device=places.device)
    return hidden.scatter(1, places, False)


def _mean_of(values: Tensor, *, hidden: Tensor, count: int) -> Tensor:
    """Returns the mean () of (N, T, 3 p p) over the `count` hidden patches."""
    return (values.mean(-1) * hidden).sum() / count


def _pooled(vit: VisionTransformer, tokens: Tensor) -> Tensor:
    """Returns the vector (N, E) that timm pools of tokens."""
    return vit.forward_head(tokens, pre_logits=True).flatten(1)
