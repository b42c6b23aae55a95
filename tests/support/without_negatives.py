"""Builds an objective without negatives on plain vectors, and its inputs."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from handpose.objectives.barlow_twins import BarlowTwins
from handpose.objectives.base import Objective, Teacher
from handpose.objectives.byol import BYOL
from handpose.objectives.simsiam import SimSiam
from handpose.objectives.vicreg import VICReg

PAIRS, WIDTH = 8, 6
SMALL: dict[str, Any] = dict(hidden_dim=8, projection_dim=WIDTH)
KINDS: dict[str, Callable[..., Objective]] = {
    "vicreg": lambda **contract: VICReg(**SMALL, **contract),
    "barlow_twins": lambda **contract: BarlowTwins(**SMALL, **contract),
    "simsiam": lambda **contract: SimSiam(predictor_dim=4, **SMALL, **contract),
    "byol": lambda **contract: BYOL(**SMALL, **contract),
}


def build(name: str, settings: Any, *, plain: bool = False) -> Any:
    """An objective in float64.

    Args:
        name: one of KINDS.
        settings: augmentation.
        plain: whether projector and predictor return their input.
    """
    contract = dict(channels=(), strides=(), embedding_dim=WIDTH, image_size=32)
    torch.manual_seed(0)
    objective: Any = KINDS[name](augmentation=settings, **contract).double()
    for part in ("projector", "predictor") if plain else ():
        if hasattr(objective, part):
            setattr(objective, part, nn.Identity())
    if plain and name == "byol":
        objective.target_projector.network = nn.Identity()
    return objective


def embeddings(seed: int = 0) -> Tensor:
    """(B, 2, E) in float64: views of a pair are near each other."""
    draw = torch.Generator().manual_seed(seed)
    hand = torch.randn(PAIRS, 1, WIDTH, generator=draw, dtype=torch.float64)
    return hand + 0.3 * torch.randn(PAIRS, 2, WIDTH, generator=draw, dtype=torch.float64)


def teacher_of(objective: Objective, embedding: Tensor) -> tuple[Teacher, ...]:
    """A teacher with other embeddings, for an objective that uses one."""
    return (Teacher((), embedding + 0.1 * embedding.roll(1, 0)),) * objective.uses_teacher
