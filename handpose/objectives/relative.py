"""The relative objective: equivariance. Predict the map between two views from their embeddings.

The paper's "relative" (PMLR 148:255-271, section 3) with the target written as a map (see
`relative_map`). B pairs.
"""

from typing import Any

import torch
from torch import Tensor, nn

from handpose.backbones.top_down import TopDown
from handpose.losses import masked_mean, weigh_by_variance
from handpose.objectives.base import Objective
from handpose.objectives.projection import KeypointProjection
from handpose.objectives.relative_map import RelativeMap, relative_map, sampling_scales
from handpose.records import Features, ViewParams, Views


class Relative(Objective):
    """L1 on each standardised part; the parts weighted by learned log-variances.

    L = sum_p exp(-s_p) L_p + s_p (see `weigh_by_variance`). The parts are those that the
    augmentation's tracked switches turn on. Each pair is read in both orders, which costs only
    another pass of the small MLP.

    Args:
        hidden_dim: width of the pair's MLP.
        num_keypoints: above 0 the pair is read from so many latent keypoints of the feature
            pyramid (see `projection`), as in the paper's heatmap encoders; else from its embedding.
        decoder_width: channels of the keypoints' decoder.
        **contract: what every objective takes (see `Objective`).
    """

    weighs_itself = True

    def __init__(
        self,
        *,
        hidden_dim: int,
        num_keypoints: int,
        decoder_width: int,
        **contract: Any,
    ) -> None:
        super().__init__(**contract)
        scales = sampling_scales(self.augmentation)
        if not scales:
            raise ValueError(
                "objective=relative has nothing to predict: turn on at least one of "
                "augment.rotate, crop, random_crop, colour_jitter"
            )
        self.widths = {name: len(scale) for name, scale in scales.items()}
        for name, scale in scales.items():
            self.register_buffer(f"scale_{name}", torch.tensor(scale), persistent=False)
        self.log_variance = nn.ParameterDict(
            {name: nn.Parameter(torch.zeros(())) for name in scales}
        )
        self.keypoints, width = None, contract["embedding_dim"]
        self.reads_features = num_keypoints > 0
        if num_keypoints:
            self.keypoints = KeypointProjection(
                channels=contract["channels"],
                strides=contract["strides"],
                image_size=self.image_size,
                decoder_width=decoder_width,
                num_maps=num_keypoints,
            )
            width = 2 * num_keypoints
        outputs = sum(self.widths.values())
        self.difference = nn.Linear(width, outputs, bias=False)
        # sin and cos of an angle between views are products of those of the views' own angles.
        self.factors = nn.ModuleList(nn.Linear(width, hidden_dim) for _ in range(2))
        self.products = nn.Linear(hidden_dim, outputs, bias=False)
        self.mlp = nn.Sequential(
            nn.Linear(2 * width, hidden_dim),
            nn.ReLU(inplace=True),
            nn.Linear(hidden_dim, outputs),
        )

    @property
    def decoder(self) -> TopDown | None:
        return None if self.keypoints is None else self.keypoints.decoder

    def predict(self, embedding: Tensor) -> dict[str, Tensor]:
        """embedding (B, 2, E), in order -> each part in its own units."""
        first, second = embedding.unbind(1)
        joint = self.mlp(embedding.flatten(1)) + self.difference(second - first)
        joint = joint + self.products(self.factors[0](first) * self.factors[1](second))
        joint = joint.to(torch.promote_types(joint.dtype, torch.float32))
        outputs = joint.split(list(self.widths.values()), dim=1)
        return {
            name: output * self.get_buffer(f"scale_{name}")
            for name, output in zip(self.widths, outputs, strict=True)
        }

    def forward(self, features: Features, embedding: Tensor, views: Views) -> dict[str, Tensor]:
        if self.keypoints is not None:
            levels = tuple(level.flatten(0, 1) for level in features)
            found = self.keypoints(levels, embedding.flatten(0, 1))
            embedding = found.unflatten(0, embedding.shape[:2])
        predicted = self.predict(_both_orders(embedding))
        target = relative_map(ViewParams(*map(_both_orders, views.params)), self.image_size)
        result: dict[str, Tensor] = {}
        total = embedding.new_zeros((), dtype=torch.float32)
        for name, output in predicted.items():
            true = getattr(target, name)
            valid = target.colour_valid if name == "colour" else torch.ones_like(true).bool()
            error = masked_mean((output - true).abs() / self.get_buffer(f"scale_{name}"), valid)
            total = total + weigh_by_variance(error, self.log_variance[name])
            result[f"loss_{name}"] = error
        return {"loss": total, **result, **self._errors(predicted, target)}

    @torch.no_grad()
    def _errors(self, predicted: dict[str, Tensor], target: RelativeMap) -> dict[str, Tensor]:
        """Rotation and log-scale errors in plain units, beside those of the best constant.

        The median of a symmetric difference of two draws is 0, so that is the best constant.
        """
        errors = {}
        if "rotation" in predicted:
            true = torch.atan2(*target.rotation.unbind(-1))
            angle = torch.atan2(*predicted["rotation"].unbind(-1)) - true
            wrapped = torch.atan2(angle.sin(), angle.cos())
            errors["rotation_error_deg"] = wrapped.abs().mean().rad2deg()
            errors["rotation_chance_deg"] = true.abs().mean().rad2deg()
        if "log_scale" in predicted:
            errors["log_scale_error"] = (predicted["log_scale"] - target.log_scale).abs().mean()
            errors["log_scale_chance"] = target.log_scale.abs().mean()
        return errors


def _both_orders(pairs: Tensor) -> Tensor:
    """(B, 2, ...) -> (2 B, 2, ...): the pairs, then the pairs swapped."""
    return torch.cat((pairs, pairs.flip(1)))
