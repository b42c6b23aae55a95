"""The regression head: the embedding, through a small MLP or one layer, to the 2.5D pose.

A linear layer beside the last one predicts the scale of the error under a Laplace density. It reads
the same features without a gradient to them, so the pose is learned as without it.
"""

from typing import Any

import torch
from torch import Tensor, nn

from handpose.heads.base import Head, is_second
from handpose.heads.confidence import bounded_log_scale
from handpose.records import Features
from handpose.skeleton import NUM_JOINTS


class RegressionHead(Head):
    """embedding -> hidden -> (J, 3).

    Args:
        hidden_dim: Width of the hidden layer; None: a single linear layer.
        activation: "relu", after BatchNorm, or "none": two linear layers in a row.
        **contract: See `Head`.
    """

    def __init__(
        self, *, hidden_dim: int | None = 512, activation: str = "relu", **contract: Any
    ) -> None:
        super().__init__(**contract)
        width, hidden = contract["embedding_dim"], list[nn.Module]()
        if hidden_dim is not None:
            hidden.append(nn.Linear(width, hidden_dim))
            if is_second(activation, "activation", "none", "relu"):
                hidden += [nn.BatchNorm1d(hidden_dim), nn.ReLU(inplace=True)]
            width = hidden_dim
        self.mlp = nn.Sequential(*hidden, nn.Linear(width, NUM_JOINTS * 3))
        self.scale = nn.utils.skip_init(nn.Linear, width, NUM_JOINTS)  # draws no random numbers
        for parameter in self.scale.parameters():
            nn.init.zeros_(parameter)

    def predict_uvz(self, features: Features, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Predicts u and v in crop sides from the crop's centre, z, and the scale of the error."""
        layers: list[Any] = list(self.mlp)
        for layer in layers[:-1]:
            embedding = layer(embedding)
        last = layers[-1]
        with torch.autocast(embedding.device.type, enabled=False):  # 16 bits would round the pose
            read = embedding.to(last.weight.dtype)
            pose = last(read).float().unflatten(1, (NUM_JOINTS, 3))
            evidence = pose.new_empty(pose.shape[0], 0)
            if self.scale is not None:
                evidence = bounded_log_scale(self.scale(read.detach()).float())
        px = pose[..., :2] * self.image_size + (self.image_size - 1) / 2
        return torch.cat((px, pose[..., 2:]), dim=-1), evidence
