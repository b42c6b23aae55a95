"""What objectives without negatives share: a loss between two views' projections. B pairs, D width.

The loss is computed in float32 or better, outside autocast. Two samples of one pose (FreiHAND's 4
versions) need no exception: no loss here pushes two samples apart. They are two samples of the
batch's statistics, where there are such.
"""

import torch
from torch import Tensor, nn

from handpose.objectives.base import Objective
from handpose.objectives.nt_xent import partner_top1
from handpose.records import Views


class WithoutNegatives(Objective):
    """Projects the embeddings of both views, in one pass as the backbone does.

    In one pass, BatchNorm has 2 B samples. A pair may be mined: its loss is that of any other pair,
    as the weights of mined poses are of similarities to negatives.
    """

    takes_mined_positives = True
    reads_features = False

    def ranking(self, compared: Tensor, views: Views) -> dict[str, Tensor]:
        """Measures "top1" among the whole batch (see `partner_top1`).

        Args:
            compared: Projections of the whole batch (B, V, D).
            views: Of this process.
        """
        return partner_top1(compared.detach(), self.whole(views.identity))


def apply_to_views(network: nn.Module, embedding: Tensor) -> Tensor:
    """Applies a network to all views in one pass: (B, V, E) -> (B, V, D), in float32 or better.

    Args:
        network: (N, E) -> (N, D).
        embedding: (B, V, E).
    """
    output = network(embedding.flatten(0, 1)).unflatten(0, embedding.shape[:2])
    return output.to(torch.promote_types(output.dtype, torch.float32))


def pairs_with_variance(projected: Tensor) -> tuple[Tensor, Tensor]:
    """Splits (B, 2, D) into the views (B, D) of a loss over the batch's statistics.

    A single pair, the last of a validation, has no variance. It counts twice, so its variance is 0.
    """
    if len(projected) == 1:
        projected = projected.expand(2, -1, -1)
    first, second = projected.unbind(1)
    return first, second
