"""The contrastive objective's retrieval metric."""

import torch

from handpose.objectives.contrastive import partner_top1


def test_top1_counts_partners_and_skips_the_same_identity() -> None:
    z = torch.eye(4)[:, None].repeat(1, 2, 1)
    alone = torch.arange(4)[:, None].repeat(1, 2)
    assert float(partner_top1(z, alone)) == 1
    z[0, 1], z[1, 1] = z[1, 1].clone(), z[0, 1].clone()
    assert float(partner_top1(z, alone)) == 0.5
    # 0 and 1 are one pose: neither competes with the other
    z[0, 1] = z[0, 0] * 0.1 + torch.tensor([0.0, 0.0, 1.0, 0.0]) * 0.01
    assert float(partner_top1(z, torch.tensor([0, 0, 2, 3])[:, None].repeat(1, 2))) >= 0.75


def test_the_partner_is_found_under_autocast_too() -> None:
    """Of projections that are nearly alike: in 16 bits their similarities would tie."""
    torch.manual_seed(0)
    z = torch.randn(256, 1, 32) + 20 + 0.7 * torch.randn(256, 2, 32)
    alone = torch.arange(256)[:, None].repeat(1, 2)
    expected = partner_top1(z, alone)
    assert 0.3 < float(expected) < 1
    with torch.autocast("cpu", torch.bfloat16):
        assert partner_top1(z, alone) == expected


def test_a_projection_that_is_not_finite_finds_nobody() -> None:
    z = torch.randn(8, 2, 4)
    z[3, 0] = torch.nan
    assert partner_top1(z, torch.arange(8)[:, None].repeat(1, 2)).isnan()
