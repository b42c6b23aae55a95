"""The contrastive objective's retrieval metric."""

from collections.abc import Callable

import pytest
import torch

from handpose.objectives.contrastive import Contrastive
from handpose.objectives.nt_xent import nt_xent, partner_top1

CONTRACT = dict(channels=(4,), strides=(4,), embedding_dim=6, image_size=32)
WIDTHS = dict(temperature=0.5, hidden_dim=8, projection_dim=10, decoder_width=4)


def test_versions_of_a_pose_compete_only_where_it_is_asked_for(
    views_of: Callable, make_settings: Callable
) -> None:
    settings, embedding = make_settings("rotate"), torch.randn(6, 2, 6)
    views = views_of(settings)
    versions = views._replace(identity=views.index // 2)  # two of each pose
    for compete, identity in ((False, versions.identity), (True, views.index)):
        objective = Contrastive(
            projection="embedding",
            same_pose_negatives=compete,
            augmentation=settings,
            **WIDTHS,
            **CONTRACT,
        ).eval()
        terms = objective((), embedding, versions)
        projected = objective.projector((), embedding.flatten(0, 1)).unflatten(0, (6, 2))
        assert torch.equal(terms["loss"], nt_xent(projected, identity, temperature=0.5))
        assert float(terms["top1_chance"]) == pytest.approx(1 / 5)  # never among its own versions


def test_the_projection_ends_with_or_without_a_bias(make_settings: Callable) -> None:
    for bias in (True, False):
        objective = Contrastive(
            projection="embedding",
            projection_bias=bias,
            augmentation=make_settings("rotate"),
            **WIDTHS,
            **CONTRACT,
        )
        last = list(objective.projector.mlp)[-1]
        assert (last.bias is not None) == bias


def test_top1_counts_partners_and_skips_the_same_identity() -> None:
    z = torch.eye(4)[:, None].repeat(1, 2, 1)
    alone = torch.arange(4)[:, None].repeat(1, 2)
    assert float(partner_top1(z, alone)["top1"]) == 1
    z[0, 1], z[1, 1] = z[1, 1].clone(), z[0, 1].clone()
    assert float(partner_top1(z, alone)["top1"]) == 0.5
    # 0 and 1 are one pose: neither competes with the other
    z[0, 1] = z[0, 0] * 0.1 + torch.tensor([0.0, 0.0, 1.0, 0.0]) * 0.01
    assert float(partner_top1(z, torch.tensor([0, 0, 2, 3])[:, None].repeat(1, 2))["top1"]) >= 0.75


@pytest.mark.parametrize(
    "identity",
    [
        [[0, 0], [1, 1], [2, 2], [3, 3], [4, 4], [5, 5]],
        [[0, 0], [0, 0], [0, 0], [3, 3], [4, 4], [4, 4]],  # versions of one pose
        [[0, 7], [1, 8], [7, 2], [3, 3], [3, 9], [5, 5]],  # mined partners
    ],
)
def test_chance_is_how_often_a_guess_finds_the_partner(identity: list[list[int]]) -> None:
    """Random projections find it as often as one over the views that compete, counted one by one"""
    same = torch.tensor(identity)
    counts = []
    for i, (own, partner) in enumerate(identity):
        rivals = [
            j
            for j, pair in enumerate(identity)
            if j != i and not {pair[1], pair[0]} & {own} and not {own, partner} & {pair[1]}
        ]
        counts.append(1 + len(rivals))
    expected = sum(1 / count for count in counts) / len(counts)
    draws = [partner_top1(torch.randn(len(same), 2, 16), same) for _ in range(600)]
    assert float(draws[0]["top1_chance"]) == pytest.approx(expected)
    mean = float(torch.stack([draw["top1"] for draw in draws]).mean())
    assert mean == pytest.approx(expected, abs=0.03)


def test_the_partner_is_found_under_autocast_too() -> None:
    """Of projections that are nearly alike: in 16 bits their similarities would tie."""
    torch.manual_seed(0)
    z = torch.randn(256, 1, 32) + 20 + 0.7 * torch.randn(256, 2, 32)
    alone = torch.arange(256)[:, None].repeat(1, 2)
    expected = partner_top1(z, alone)["top1"]
    assert 0.3 < float(expected) < 1
    with torch.autocast("cpu", torch.bfloat16):
        assert partner_top1(z, alone)["top1"] == expected


def test_a_projection_that_is_not_finite_finds_nobody() -> None:
    z = torch.randn(8, 2, 4)
    z[3, 0] = torch.nan
    assert partner_top1(z, torch.arange(8)[:, None].repeat(1, 2))["top1"].isnan()
