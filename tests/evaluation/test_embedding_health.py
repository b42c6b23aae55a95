"""The health of a representation, against its closed forms."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from handpose.evaluation.embedding_health import (
    HEALTH,
    alignment,
    effective_rank,
    equivariance_error,
    health,
    spread,
    uniformity,
)

N = 150


@pytest.fixture
def draw() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _on_circle(count: int) -> Tensor:
    angle = torch.arange(count, dtype=torch.float64) * 2 * math.pi / count
    return torch.stack((angle.cos(), angle.sin()), dim=1)


def _turns(draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """The angles of N pairs of views (N, 2) in rad; sin and cos of the turns between the two."""
    angle = math.pi / 2 * (torch.rand(N, 2, generator=draw, dtype=torch.float64) - 0.5)
    between = angle[:, 1] - angle[:, 0]
    return angle, torch.stack((between.sin(), between.cos()), dim=1)


def _turned(points: Tensor, angle: Tensor) -> Tensor:
    """Points (N, K, 2), turned for each view by its angle (N, 2), as embeddings (N, 2, 2 K)."""
    cos, sin = angle.cos()[..., None], angle.sin()[..., None]
    u, v = points[:, None, :, 0], points[:, None, :, 1]
    return torch.stack((cos * u - sin * v, sin * u + cos * v), dim=-1).flatten(2)


def test_alignment_is_the_squared_distance_on_the_sphere(draw: torch.Generator) -> None:
    views = torch.randn(6, 2, 8, generator=draw)
    same = views[:, :1].expand(-1, 2, -1)
    assert alignment(same * torch.tensor([1.0, 7.0])[:, None]) < 1e-12  # lengths do not count
    assert alignment(same * torch.tensor([1.0, -1.0])[:, None]) == pytest.approx(4)
    assert alignment(torch.eye(2).expand(5, 2, 2)) == pytest.approx(2)


def test_uniformity_has_its_closed_forms() -> None:
    assert uniformity(torch.ones(5, 3)) == pytest.approx(0, abs=1e-6)
    assert uniformity(torch.tensor([[2.0, 0.0], [-3.0, 0.0]])) == pytest.approx(-8)
    assert uniformity(torch.eye(7)) == pytest.approx(-4)  # all |x - y|^2 are 2
    # over a circle the mean of exp(-4 (1 - cos)) is exp(-4) I0(4)
    limit = -4 + float(torch.special.i0(torch.tensor(4.0)).log())
    assert uniformity(_on_circle(2000)) == pytest.approx(limit, abs=0.04)
    assert uniformity(_on_circle(2000)) < uniformity(_on_circle(2000)[:1000]) - 0.2
    assert uniformity(torch.ones(1, 3)).isnan()


@pytest.mark.parametrize("directions", [1, 3, 8])
def test_rank_counts_directions(directions: int) -> None:
    rows = torch.eye(8, dtype=torch.float64)[:directions].repeat(4, 1)
    assert effective_rank(5 * rows) == pytest.approx(directions)


def test_rank_of_unequal_directions_is_the_exponential_of_their_entropy() -> None:
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert effective_rank(torch.diag(torch.tensor([3.0, 1.0]))) == pytest.approx(math.exp(entropy))


def test_a_turn_is_read_from_points_that_turn_along(draw: torch.Generator) -> None:
    """Also where a view by itself does not tell its own angle: each sample points its own way."""
    angle, rotation = _turns(draw)
    points = F.normalize(torch.randn(N, 1, 2, generator=draw, dtype=torch.float64), dim=-1)
    equivariant = _turned(points, angle)
    basis = torch.randn(2, 5, generator=draw, dtype=torch.float64)  # any basis will do
    for embedding in (equivariant, equivariant @ torch.linalg.qr(basis.T).Q.T):
        assert equivariance_error(embedding, rotation) < 1e-3
    # the same turns with another pair's points say nothing
    assert equivariance_error(equivariant, rotation.roll(1, 0)) > 0.9


def test_a_turn_is_not_read_from_what_does_not_turn(draw: torch.Generator) -> None:
    _, rotation = _turns(draw)
    invariant = torch.randn(N, 1, 6, generator=draw, dtype=torch.float64).expand(-1, 2, -1)
    assert equivariance_error(invariant, rotation) == pytest.approx(1, abs=0.05)
    collapsed = torch.ones(N, 2, 6, dtype=torch.float64)
    assert equivariance_error(collapsed, rotation) == pytest.approx(1, abs=1e-6)


def test_between_the_two_the_error_lies_between(draw: torch.Generator) -> None:
    angle, rotation = _turns(draw)
    points = F.normalize(torch.randn(N, 1, 2, generator=draw, dtype=torch.float64), dim=-1)
    noise = torch.randn(N, 2, 2, generator=draw, dtype=torch.float64)
    errors = [
        float(equivariance_error(_turned(points, angle) + level * noise, rotation))
        for level in (0.0, 0.1, 0.3, 3.0)
    ]
    assert errors == sorted(errors)
    assert 0.02 < errors[1] < errors[2] < 0.7


def test_what_is_not_defined_is_nan_alone(draw: torch.Generator) -> None:
    angle, rotation = _turns(draw)
    embedding = _turned(torch.ones(N, 2, 2, dtype=torch.float64), angle)
    assert list(health(embedding, rotation)) == list(HEALTH)
    assert all(math.isfinite(value) for value in health(embedding, rotation).values())
    upright = torch.tensor([0.0, 1.0]).expand(N, 2)
    for unread in (upright, torch.full((N, 2), torch.nan)):
        values = health(embedding, unread)
        assert [name for name in HEALTH if math.isnan(values[name])] == ["equivariance_error"]
    # pairs without a turn of their own are left out of its error alone
    half = torch.where(torch.arange(N)[:, None] % 2 == 0, rotation, torch.nan)
    expected = equivariance_error(embedding[::2], rotation[::2])
    assert health(embedding, half)["equivariance_error"] == pytest.approx(float(expected))
    diverged = embedding.clone()
    diverged[3, 0, 0] = torch.inf
    assert all(math.isnan(value) for value in health(diverged, rotation).values())


def test_spread_is_the_standard_deviation_on_the_sphere(draw: torch.Generator) -> None:
    assert spread(torch.ones(5, 3).double()) == pytest.approx(0, abs=1e-6)
    gauss = torch.randn(4000, 64, generator=draw, dtype=torch.float64)
    assert spread(gauss) == pytest.approx(1, abs=0.02)
    assert spread(7 * gauss) == pytest.approx(float(spread(gauss)))  # lengths do not count
    # +-e1: 1 in one of four dimensions, 0 in the others, times sqrt(4)
    axis = torch.eye(4, dtype=torch.float64)[:1] * torch.tensor([[1.0], [-1.0]]).repeat(50, 1)
    assert spread(axis) == pytest.approx(0.5)
    near = torch.ones(64, dtype=torch.float64) + 0.01 * gauss
    assert spread(near) == pytest.approx(0.01, rel=0.05)
