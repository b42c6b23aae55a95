"""Health of the embeddings: alignment, uniformity, spread, rank, equivariance.

N pairs of views, E width.

Computed from the backbone's embeddings, which is what transfers, so that the numbers mean the same
under every objective. Always in float64 on the CPU.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from handpose.evaluation.ridge import fit_ridge

# In the order of the report.
HEALTH = ("alignment", "uniformity", "spread", "rank", "equivariance_error")
# Minimum variance of sin and cos together that counts as a rotation: about 0.1 degrees.
_MIN_VARIANCE = 3e-6


def health(embedding: Tensor, rotation: Tensor) -> dict[str, float]:
    """Computes the numbers of HEALTH, NaN if undefined; all NaN for embeddings that are not finite.

    Args:
        embedding: (N, 2, E), the two views of each pair.
        rotation: (N, 2) sin and cos of the rotation from the first view to the second; NaN if the
            views are of different images.
    """
    embedding, rotation = embedding.cpu().double(), rotation.cpu().double()
    if not embedding.isfinite().all():
        return dict.fromkeys(HEALTH, math.nan)
    known = rotation.isfinite().all(1)
    values = (
        alignment(embedding),
        torch.stack([uniformity(view) for view in embedding.unbind(1)]).mean(),
        spread(embedding.flatten(0, 1)),
        effective_rank(embedding.flatten(0, 1)),
        equivariance_error(embedding[known], rotation[known]),
    )
    return dict(zip(HEALTH, map(float, values), strict=True))


def alignment(embedding: Tensor) -> Tensor:
    """Returns the mean squared distance between the two L2-normalised views (N, 2, E), () in 0..4.

    l_align with alpha = 2 of Wang and Isola, ICML 2020 (arXiv 2005.10242), section 4.1.
    """
    first, second = F.normalize(embedding, dim=-1).unbind(1)
    return (first - second).square().sum(-1).mean()


def uniformity(embedding: Tensor) -> Tensor:
    """Returns log mean exp(-2 |x - y|^2) over pairs of the L2-normalised (N, E), () in -8..0.

    l_uniform with t = 2 of the same paper. 0: all equal. About -4: spread over a sphere of many
    dimensions. NaN for fewer than two.
    """
    squared = torch.pdist(F.normalize(embedding, dim=-1)).square()
    return (-2 * squared).exp().mean().log()


def spread(embedding: Tensor) -> Tensor:
    """Returns sqrt(E) times the mean standard deviation of the L2-normalised (N, E), ().

    0: all equal, a collapse. 1: as evenly spread as a Gaussian in all dimensions (Chen and He,
    SimSiam, arXiv 2011.10566, section 4.1, where it is divided by sqrt(E)).
    """
    unit = F.normalize(embedding, dim=-1)
    return unit.std(0, correction=0).mean() * math.sqrt(unit.shape[1])


def effective_rank(embedding: Tensor) -> Tensor:
    """Returns exp of the entropy of the normalised singular values of (N, E), () in 1..min(N, E).

    RankMe, Garrido et al., ICML 2023 (arXiv 2210.02885), eq. 1 and 2, without their epsilon. The
    embeddings are neither centred nor normalised, as there.
    """
    singular = torch.linalg.svdvals(embedding)
    share = singular / singular.sum()
    return torch.special.entr(share).sum().exp()


def equivariance_error(embedding: Tensor, rotation: Tensor) -> Tensor:
    """Returns the part of the rotation between two views that their embeddings do not tell, ().

    sum |y - y^|^2 / sum |y - m|^2, where y = (sin, cos) of a pair's rotation. Both y^ and the mean
    m come from the other pairs alone. 0: the rotation is predicted exactly. 1: the pair tells no
    more than the mean. y^ is a kernel ridge regression (`fit_ridge`) with
    k(p, q) = (1 + p1 . q1) (1 + p2 . q2) for pairs p = (p1, p2): all functions that are bilinear in
    the two views, as sin and cos of a difference of angles are in those of the angles. The
    embeddings are L2-normalised, centred, and scaled to a mean square length of 1, so neither
    their basis nor their scale matters. It falls with N: compare runs on the same pairs.

    Args:
        embedding: (N, 2, E).
        rotation: (N, 2) sin and cos.

    Returns:
        NaN for fewer than three pairs, or if they (almost) all rotate alike.
    """
    count = len(embedding)
    if count < 3 or rotation.var(0).sum() < _MIN_VARIANCE:
        return embedding.new_tensor(torch.nan)
    normal = F.normalize(embedding, dim=-1)
    centred = normal - normal.mean((0, 1))
    unit = centred.square().sum(-1).mean().clamp(min=torch.finfo(centred.dtype).tiny)
    first, second = (view @ view.T / unit for view in centred.unbind(1))
    predicted = fit_ridge((1 + first) * (1 + second), rotation).left_out
    from_the_mean = (rotation - rotation.mean(0)) * count / (count - 1)
    return (predicted - rotation).square().sum() / from_the_mean.square().sum()
