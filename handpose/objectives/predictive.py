"""The predictive objective: equivariance. Predict a view's embedding from another's and the map.

From the embedding of view 1 and the known map between the views, predict the embedding of view 2
as a slowly moving teacher has it. It is the idea of Image World Models (Garrido et al., arXiv
2403.00504) and of EquiMod (Devillers and Lefort, arXiv 2211.01244), on one vector per view.
B pairs, N = 2 B ordered pairs, W width of what is predicted.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from handpose.backbones.top_down import TopDown
from handpose.distributed.collectives import gather
from handpose.objectives.base import Objective, Teacher
from handpose.objectives.known_map import KnownMap
from handpose.objectives.moving_average import MovingAverage
from handpose.objectives.projection import KeypointProjection
from handpose.objectives.relative import both_orders, sampling_scales
from handpose.records import Features, ViewParams, Views

# Added to variances: far below any in use, so that a shrinking embedding gains nothing.
_EPSILON = 1e-8


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
    """Smooth L1 between the predicted and the teacher's embedding of view 2, in both orders.

    Both embeddings are standardised by their statistics over the batch of all processes, so a
    constant embedding has the loss of chance, not 0. The teacher gets no gradient. In evaluation
    the error with the true maps is compared with that of the maps of other pairs: `map_gain` is
    above 0 if the prediction uses the map.

    Args:
        hidden_dim: Width of the predictor's hidden layers.
        num_keypoints: Above 0, predict so many latent keypoints (see `projection`) instead of the
            embedding.
        decoder_width: Channels of the keypoints' decoder.
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
        num_keypoints: int = 0,
        decoder_width: int = 64,
        decorrelation: float = 0.0,
        teacher_momentum: float = 0.99,
        **contract: Any,
    ) -> None:
        super().__init__(**contract)
        self.teacher_momentum, self.decorrelation = teacher_momentum, decorrelation
        if not (scales := sampling_scales(self.augmentation)):
            raise ValueError(
                "objective=predictive has no map between the views: turn on at least one of "
                "augment.rotate, crop, random_crop, colour_jitter"
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
        first, second = both_orders(own)[:, 0], both_orders(taught)[:, 1]
        maps = self.known_map(ViewParams(*map(both_orders, views.params)))
        predicted = self.predictor(first, maps)
        loss = F.smooth_l1_loss(predicted.to(second.dtype), second)
        if self.decorrelation:
            loss = loss + self.decorrelation * _squared_correlation(self._whole(own).flatten(0, 1))
        return {"loss": loss, **self._errors(first, maps, predicted, second)}

    @torch.no_grad()
    def _errors(
        self, first: Tensor, maps: Tensor, predicted: Tensor, second: Tensor
    ) -> dict[str, Tensor]:
        """Returns squared errors of standardised embeddings, of which 1 is the best constant's.

        The map of another pair, or a part of it, comes from the next pair of the batch, in the
        same order of views.
        """
        error = F.mse_loss(predicted.to(second.dtype), second)
        terms = {"prediction_error": error, "prediction_chance": second.square().mean()}
        if self.training:
            return terms
        others = maps.unflatten(0, (2, -1)).roll(1, dims=1).flatten(0, 1)
        parts = {f"_{name}": self.known_map.exchanged(maps, others, name) for name in self.parts}
        for name, mistaken in {"": others, **parts}.items():
            found = self.predictor(first, mistaken).to(second.dtype)
            terms[f"map_gain{name}"] = F.mse_loss(found, second) - error
        return terms

    def _whole(self, values: Tensor) -> Tensor:
        """Returns the rows of all processes in training; in evaluation each process has them."""
        return gather(values) if self.training else values

    def _standardised(self, values: Tensor) -> Tensor:
        """Standardises each dimension over all views of the batch, in float32 or better.

        Args:
            values: (B, 2, W).
        """
        values = values.to(torch.promote_types(values.dtype, torch.float32))
        whole = self._whole(values).flatten(0, 1)
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
