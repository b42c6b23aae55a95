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
