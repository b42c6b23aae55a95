"""The predictive objective: equivariance. Predict a view from another view and the known map.

From latent keypoints (or the embedding) of view 1 and the known map between the views, predict
those of view 2 as a slowly moving teacher has them. It is the idea of Image World Models (Garrido
et al., arXiv 2403.00504) and of EquiMod (Devillers and Lefort, arXiv 2211.01244), on one vector per
view. B pairs, N = 2 B ordered pairs, W width of the vector.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from handpose.backbones.top_down import TopDown
from handpose.objectives.base import Objective, Teacher
from handpose.objectives.known_map import KnownMap
from handpose.objectives.moving_average import MovingAverage
from handpose.objectives.projection import KeypointProjection
from handpose.objectives.relative import both_orders, sampling_scales
from handpose.records import Features, ViewParams, Views

# Added to variances: far below any in use, so that a shrinking embedding gains nothing.
_EPSILON = 1e-8
# Of a change between views, squared, in units of a dimension's variance.
_LEAST_CHANGE = 1e-4


class MapPredictor(nn.Module):
    """What view 1 looks like under a map: x + f(x, map) - f(x, identity), so the identity keeps x.

    f is an MLP whose hidden layer is scaled and shifted by the map (FiLM, arXiv 1709.07871).

    Args:
        width: W.
        hidden_dim: Width of the hidden layers.
        known_map: Gives the width of the condition and the identity.
    """

    def __init__(self, *, width: int, hidden_dim: int, known_map: KnownMap) -> None:
        super().__init__()
        self.known_map = known_map
        self.condition = nn.Sequential(
            nn.Linear(known_map.width, hidden_dim),
            nn.ReLU(inplace=True),
            nn.Linear(hidden_dim, 2 * hidden_dim),
        )
        self.enter = nn.Linear(width, hidden_dim)
        self.leave = nn.Linear(hidden_dim, width, bias=False)

    def forward(self, first: Tensor, maps: Tensor) -> Tensor:
        """Predicts the second views (N, W).

        Args:
            first: (N, W) of the first views, standardised.
            maps: (N, M) from `KnownMap`.
        """
        entered = self.enter(first)
        hidden = self._hidden(entered, maps)
        unmoved = self._hidden(entered, self.known_map.without_change(maps))
        return first + self.leave(hidden - unmoved)

    def _hidden(self, entered: Tensor, maps: Tensor) -> Tensor:
        scale, shift = self.condition(maps).chunk(2, dim=1)
        return F.relu(entered * (1 + scale) + shift)


class Predictive(Objective):
    """Smooth L1 between the predicted and the teacher's vector of view 2, in both orders.

    Vectors are standardised by their statistics over the batch of all processes, and errors are
    measured in the root mean square of the change between the teacher's two views, per dimension.
    So neither a constant nor an invariant vector has a lower loss: "no change" has an error of 1.
    The teacher gets no gradient. In evaluation the error with the true maps is compared with that
    of the maps of other pairs: `map_gain` is above 0 if the prediction uses the map.

    Args:
        hidden_dim: Width of the predictor's hidden layers.
        num_keypoints: Above 0, predict so many latent keypoints (see `projection`), which move with
            the image; 0: the embedding, which learns equivariance far more slowly.
        decoder_width: Channels of the keypoints' decoder.
        knows_colour: Whether the map includes colours. A predictor that knows them predicts them
            alone, which is easiest; one that does not teaches the backbone to ignore them.
        decorrelation: Weight of the mean squared correlation between two dimensions, against
            embeddings with few directions; 0 for none.
        teacher_momentum: Of the teacher at the start.
        **contract: See `Objective`.

    Raises:
        ValueError: The augmentation leaves no map between the views.
    """

    uses_teacher = True

    def __init__(
        self,
        *,
        hidden_dim: int = 512,
        num_keypoints: int = 32,
        decoder_width: int = 64,
        knows_colour: bool = False,
        decorrelation: float = 0.0,
        teacher_momentum: float = 0.97,
        **contract: Any,
    ) -> None:
        super().__init__(**contract)
        self.teacher_momentum, self.decorrelation = teacher_momentum, decorrelation
        scales = sampling_scales(self.augmentation)
        if not knows_colour:
            scales.pop("colour", None)
        if not scales:
            raise ValueError(
                "objective=predictive has no map between the views that the predictor knows: turn "
                "on at least one of augment.rotate, crop, random_crop, or augment.colour_jitter "
                "with objective.knows_colour"
            )
        self.keypoints: KeypointProjection | None = None
        self.teacher_keypoints: MovingAverage | None = None
        self.reads_features = num_keypoints > 0
        if num_keypoints:
            self.keypoints = KeypointProjection(
                channels=contract["channels"],
                strides=contract["strides"],
                image_size=self.image_size,
                decoder_width=decoder_width,
                num_maps=num_keypoints,
            )
            self.teacher_keypoints = MovingAverage(
                self.keypoints, batch_statistics=self.teacher_uses_batch_statistics
            )
        self.parts = tuple(scales)
        self.known_map = KnownMap(scales, self.image_size)
        self.predictor = MapPredictor(
            width=2 * num_keypoints or contract["embedding_dim"],
            hidden_dim=hidden_dim,
            known_map=self.known_map,
        )

    @property
    def decoder(self) -> TopDown | None:
        return None if self.keypoints is None else self.keypoints.decoder

    def update_teacher(self, momentum: Tensor) -> None:
        if self.keypoints is not None and self.teacher_keypoints is not None:
            self.teacher_keypoints.update(self.keypoints, momentum)

    def forward(
        self,
        features: Features,
        embedding: Tensor,
        views: Views,
        teacher: Teacher | None = None,
    ) -> dict[str, Tensor]:
        assert teacher is not None
        own = self._standardised(_read(self.keypoints, features, embedding))
        with torch.no_grad():
            network = self.teacher_keypoints and self.teacher_keypoints.network
            taught = self._standardised(_read(network, teacher.features, teacher.embedding))
        change = self.whole(taught).diff(dim=1).square().mean((0, 1))
        unit = (change + _LEAST_CHANGE).sqrt()
        first, second = both_orders(own)[:, 0], both_orders(taught)[:, 1]
        maps = self.known_map(ViewParams(*map(both_orders, views.params)))
        predicted = self.predictor(first, maps)
        loss = F.smooth_l1_loss(predicted / unit, second / unit)
        if self.decorrelation:
            loss = loss + self.decorrelation * _squared_correlation(self.whole(own).flatten(0, 1))
        terms = {"loss": loss, "prediction_chance": (change / unit.square()).mean()}
        return terms | self._errors(first, maps, second, unit)

    @torch.no_grad()
    def _errors(
        self, first: Tensor, maps: Tensor, second: Tensor, unit: Tensor
    ) -> dict[str, Tensor]:
        """Returns squared errors with the true map and, in evaluation, with parts of another's.

        The other map is that of the next pair of the batch, in the same order of views.
        """

        def error(given: Tensor) -> Tensor:
            return F.mse_loss(self.predictor(first, given) / unit, second / unit)

        true = error(maps)
        if self.training:
            return {"prediction_error": true}
        others = maps.unflatten(0, (2, -1)).roll(1, dims=1).flatten(0, 1)
        parts = {f"_{name}": self.known_map.exchanged(maps, others, name) for name in self.parts}
        gains = {f"map_gain{name}": error(m) - true for name, m in {"": others, **parts}.items()}
        return {"prediction_error": true, **gains}

    def _standardised(self, values: Tensor) -> Tensor:
        """Standardises each dimension over all views of the batch, in float32 or better.

        Args:
            values: (B, 2, W).
        """
        values = values.to(torch.promote_types(values.dtype, torch.float32))
        whole = self.whole(values).flatten(0, 1)
        variance, mean = torch.var_mean(whole, dim=0, correction=0)
        return (values - mean) / (variance + _EPSILON).sqrt()


def _read(keypoints: Any, features: Features, embedding: Tensor) -> Tensor:
    """Returns what is predicted of each view (B, 2, W): its keypoints or its embedding."""
    if keypoints is None:
        return embedding
    levels = tuple(level.flatten(0, 1) for level in features)
    return keypoints(levels, embedding.flatten(0, 1)).unflatten(0, embedding.shape[:2])


def _squared_correlation(values: Tensor) -> Tensor:
    """Returns the mean squared correlation () of two dimensions of standardised values (N, W)."""
    with torch.autocast(values.device.type, enabled=False):
        correlation = values.T @ values / len(values)
    width = len(correlation)
    squares = correlation.square().sum() - correlation.diagonal().square().sum()
    return squares / max(1, width * (width - 1))
