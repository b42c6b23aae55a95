"""The relative objective: equivariance. Predict the map between two views from their embeddings.

The paper's "relative" (PMLR 148:255-271, section 3) with a map as its target: T2 . T1^-1 in crop
coordinates (origin at the crop's centre, unit S), and C2 . C1^-1 for colours. Swapped views give
the inverse map, which a plain difference of parameters does not. B pairs, S crop px.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from handpose.augment.settings import Augmentation, Range
from handpose.backbones.top_down import TopDown
from handpose.distributed.collectives import masked_mean
from handpose.geometry.affine import relative, to_unit_frame
from handpose.objectives.base import Objective, weigh_by_variance
from handpose.objectives.projection import KeypointProjection
from handpose.records import Features, ViewParams, Views


class RelativeMap(NamedTuple):
    """The map that takes view 1 to view 2, part by part."""

    rotation: Tensor  # (B, 2) sin and cos of the angle, from u towards v
    log_scale: Tensor  # (B, 1)
    shift: Tensor  # (B, 2) of the crop's centre, in crop sides
    colour: Tensor  # (B, 4) hue difference (rad), log ratios of saturation and gain, bias (0..255)
    colour_valid: Tensor  # (B, 4) bool


class Relative(Objective):
    """L1 on each standardised part of the map, weighted by learned log-variances.

    L = sum_p exp(-s_p) L_p + s_p (see `weigh_by_variance`). The parts are those that the
    augmentation's tracked switches turn on. Each pair is read in both orders, which costs only
    another pass of the small MLP.

    Args:
        hidden_dim: Width of the pair's MLP.
        num_keypoints: Above 0, read the pair from so many latent keypoints (see `projection`), as
            in the paper's heatmap encoders; 0: from its embedding.
        decoder_width: Channels of the keypoints' decoder.
        **contract: See `Objective`.

    Raises:
        ValueError: The augmentation leaves nothing to predict.
    """

    weighs_itself = True

    def __init__(
        self,
        *,
        hidden_dim: int = 512,
        num_keypoints: int = 0,
        decoder_width: int = 64,
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
        predicted = self.predict(both_orders(embedding))
        target = relative_map(ViewParams(*map(both_orders, views.params)), self.image_size)
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

        The median of a symmetric difference of two draws is 0, so 0 is the best constant.
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


def both_orders(pairs: Tensor) -> Tensor:
    """(B, 2, ...) -> (2 B, 2, ...): the pairs, then the pairs swapped."""
    return torch.cat((pairs, pairs.flip(1)))


def relative_map(params: ViewParams, image_size: int) -> RelativeMap:
    """Returns the map between two views, computed in float64.

    Args:
        params: The two views' parameters (B, 2, ...).
        image_size: S.
    """
    affine: Tensor = params.affine.double()
    unit = to_unit_frame(relative(affine[:, 0], affine[:, 1]), image_size).float()
    scale = torch.linalg.det(unit[..., :2]).clamp(min=1e-12).sqrt()
    # A grey view has lost hue and saturation, a view under Sobel all four.
    plain = ~params.sobel.any(1)
    colourful = plain & ~params.grey.any(1)
    valid = torch.stack((colourful, colourful, plain, plain), dim=-1)
    return RelativeMap(
        rotation=torch.stack((unit[:, 1, 0], unit[:, 0, 0]), dim=-1) / scale[:, None],
        log_scale=scale.log()[:, None],
        shift=unit[..., 2],
        colour=torch.where(valid, _relative_colour(params.colour), 0.0),
        colour_valid=valid,
    )


def _relative_colour(colour: Tensor) -> Tensor:
    """C2 . C1^-1 of the two views' maps (B, 2, 4) (see `colour_matrix`): (B, 4)."""
    (h1, s1, g1, b1), (h2, s2, g2, b2) = (colour[:, view].unbind(-1) for view in (0, 1))
    return torch.stack((h2 - h1, (s2 / s1).log(), (g2 / g1).log(), b2 - g2 / g1 * b1), dim=-1)


def sampling_scales(settings: Augmentation) -> dict[str, list[float]]:
    """Returns the width of each part's range, to standardise it; without parts switched off."""

    def width(bounds: Range) -> float:
        return max(bounds[1] - bounds[0], 1e-3)

    low, high = settings.margin_range if settings.random_crop else (settings.margin,) * 2
    log_gain = max(math.log(settings.gain[1] / settings.gain[0]), 1e-3)
    log_saturation = max(math.log(settings.saturation[1] / settings.saturation[0]), 1e-3)
    colour = [math.radians(width(settings.hue)), log_saturation, log_gain, width(settings.bias)]
    parts = {
        "rotation": (settings.rotate, [1.0, 1.0]),
        "log_scale": (settings.random_crop, [max(math.log(high / low), 1e-3)]),
        "shift": (settings.crop, [width(settings.shift) / low] * 2),
        "colour": (settings.colour_jitter, colour),
    }
    return {name: scale for name, (on, scale) in parts.items() if on}
