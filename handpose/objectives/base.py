"""The interface of a pre-training objective, and what several of them use."""

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor, nn

from handpose.augment.settings import Augmentation
from handpose.backbones.base import Backbone
from handpose.backbones.top_down import TopDown
from handpose.distributed.collectives import gather
from handpose.records import Features, Views

# Bounds of a learned log-variance. An error of exp(-7), a thousandth of the range that its target
# is drawn from (0.05 of 45 degrees, 0.01 px of a crop), is finer than pixels can show, so a larger
# weight has no reason. Unbounded, a part without error takes over.
LOG_VARIANCE_BOUNDS = (-7.0, 7.0)


class Teacher(NamedTuple):
    """The views as the teacher sees them, without gradient; shapes as in `Objective.forward`."""

    features: Features
    embedding: Tensor


# What `Objective.forward` takes.
Inputs = tuple[Features, Tensor, Views] | tuple[Features, Tensor, Views, Teacher]


class Objective(nn.Module, ABC):
    """Pairs of views -> loss. B batch, V = 2 views.

    Args:
        channels: Of the backbone's levels.
        strides: Of the backbone's levels, in px.
        embedding_dim: E, width of the backbone's embedding.
        image_size: S, the side of the views in px.
        augmentation: What the views were drawn from.

    Attributes:
        weighs_itself: Whether the loss has learned weights, so that it can fall below zero.
        takes_mined_positives: Whether the views may be of two images, of hands in similar poses.
        reads_features: Whether it reads more than the embedding; if not, no features are kept.
        uses_teacher: Whether `forward` gets a `Teacher`: the views through a moving average of the
            backbone, which the pre-training module keeps for this objective.
        teacher_uses_batch_statistics: See `MovingAverage`.
        teacher_momentum: Of the moving average at the start; it rises to 1 over the stage. Set by
            the constructor if `uses_teacher`.
        encodes_views: Whether it overrides `encode`. Its views then pass the backbone by themselves
            rather than in one pass with those of the other parts.
        fits_backbones: Prefixes of `backbone.name` that it works with; () for any backbone.
        unfit_backbones: Parts of such names that it does not work with.
    """

    weighs_itself = False
    takes_mined_positives = False
    reads_features = True
    uses_teacher = False
    teacher_uses_batch_statistics = True
    teacher_momentum: float
    encodes_views = False
    fits_backbones: tuple[str, ...] = ()
    unfit_backbones: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        channels: tuple[int, ...],
        strides: tuple[int, ...],
        embedding_dim: int,
        image_size: int,
        augmentation: Augmentation,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.augmentation = augmentation

    @property
    def decoder(self) -> TopDown | None:
        """The decoder of latent keypoints; None if the objective reads the embedding."""
        return None

    def encode(self, backbone: Backbone, image: Tensor) -> tuple[Features, Tensor]:
        """Returns features and embedding of the views; to be overridden if `encodes_views`.

        With gradient caching it is called twice for each chunk, with the same random numbers.

        Args:
            backbone: The one in training.
            image: (B, V, 3, S, S) uint8.
        """
        return backbone.encode(image)

    def update_teacher(self, momentum: Tensor) -> None:
        """Moves the average of the objective's own layers, if it has one; after optimizer steps.

        Args:
            momentum: () in 0..1, as for the backbone's average; 1 after a step that was skipped.
        """
        return None

    def whole(self, rows: Tensor) -> Tensor:
        """Returns the rows of all processes in training, with gradient; its own in evaluation."""
        return gather(rows) if self.training else rows

    @abstractmethod
    def forward(self, features: Features, embedding: Tensor, views: Views) -> dict[str, Tensor]:
        """Computes the loss of a batch.

        With `uses_teacher` there is a fourth argument, a `Teacher`.

        Args:
            features: Level i is (B, V, channels[i], h, w).
            embedding: (B, V, E).
            views: What was drawn for the views, and their images.

        Returns:
            "loss" (), and further scalars to be logged, averaged over batches.
        """


def mlp(*widths: int, last_bias: bool = True) -> nn.Sequential:
    """Linear layers of these widths with BatchNorm and ReLU between them.

    Args:
        *widths: From the input to the output.
        last_bias: Whether the last layer has a bias.
    """
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(widths[:-1]):
        layers += [
            nn.Linear(width_in, width_out, bias=False),
            nn.BatchNorm1d(width_out),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1], bias=last_bias))


def weigh_by_variance(loss: Tensor, log_variance: Tensor) -> Tensor:
    """exp(-s) L + s, Kendall et al., CVPR 2018, eq. 10 for a Laplacian, with s kept in its bounds.

    Out of its bounds the result rises with the distance, so the optimizer brings s back.

    Args:
        loss: L, (), standardised: about 1 before training.
        log_variance: s, (), learned.
    """
    bounded = log_variance.clamp(*LOG_VARIANCE_BOUNDS)
    return (-bounded).exp() * loss + bounded + (log_variance - bounded).abs()
