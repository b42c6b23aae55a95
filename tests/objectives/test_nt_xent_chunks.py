"""NT-Xent in chunks against the masked cross-entropy of the whole matrix."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from handpose.objectives import nt_xent, nt_xent_chunks
from handpose.objectives.nt_xent import chunked_nt_xent, partner_top1, whole_nt_xent
from handpose.objectives.nt_xent_chunks import chunks_of, own_chunks
from handpose.objectives.pose_weights import NegativeWeights, Poses, similarity_weights

PAIRS = 23
CPU = torch.device("cpu")


def _identities() -> dict[str, Tensor]:
    alone = torch.arange(PAIRS)[:, None].repeat(1, 2)
    drawn = torch.Generator().manual_seed(3)
    return {
        "alone": alone,
        "repeated": alone // 3,
        "mined": torch.randint(40, (PAIRS, 2), generator=drawn),
        "one": torch.zeros_like(alone),  # nobody has a negative
    }


IDENTITIES = _identities()


@pytest.fixture(params=[(1, 100), (5, 100), (7, 4), (100, 1)], ids=str)
def _chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nt_xent_chunks, "LEAST_ROWS", request.param[0])
    monkeypatch.setattr(nt_xent_chunks, "NUM_CHUNKS", request.param[1])


def _poses(kind: str) -> Poses | None:
    pose, known = torch.randn(PAIRS, 2, 6), torch.rand(PAIRS, 2) > 0.3
    if kind == "none":
        return None
    if kind == "equal":
        return Poses(torch.ones_like(pose), known)
    pose = torch.where(known[..., None], pose, torch.nan)
    return Poses(pose, torch.zeros_like(known) if kind == "unknown" else known)


def _outcome(loss: Callable[[Tensor], Tensor], projections: Tensor) -> tuple[Tensor, Tensor]:
    leaf = projections.clone().requires_grad_()
    value = loss(leaf)
    value.backward()
    return value.detach(), leaf.grad


def _both(
    projections: Tensor, identity: Tensor, temperature: float, poses: Poses | None
) -> list[tuple[Tensor, Tensor]]:
    weights = None if poses is None else similarity_weights(poses)
    common = dict(identity=identity, temperature=temperature)
    return [
        _outcome(lambda z: whole_nt_xent(z, **common, weights=weights), projections),
        _outcome(lambda z: chunked_nt_xent(z, **common, poses=poses), projections),
    ]


@pytest.mark.usefixtures("_chunks")
@pytest.mark.parametrize("poses", ["none", "some", "unknown", "equal"])
@pytest.mark.parametrize("identity", list(IDENTITIES))
def test_chunks_equal_the_whole(identity: str, poses: str) -> None:
    z, given = torch.randn(PAIRS, 2, 9, dtype=torch.float64), _poses(poses)
    for temperature in (0.01, 0.1, 2.0):
        whole, chunked = _both(z, IDENTITIES[identity], temperature, given)
        # the weights are float32
        tolerance = dict(rtol=1e-12, atol=1e-12) if given is None else dict(rtol=1e-6, atol=1e-6)
        for a, b in zip(whole, chunked, strict=True):
            torch.testing.assert_close(a, b, **tolerance)


@pytest.mark.usefixtures("_chunks")
@pytest.mark.parametrize("poses", ["none", "some"])
def test_chunks_in_float32_are_as_exact_as_the_whole(poses: str) -> None:
    z, identity, given = torch.randn(PAIRS, 2, 64), IDENTITIES["repeated"], _poses(poses)
    whole, chunked = _both(z, identity, 0.1, given)
    exact, _ = _both(z.double(), identity, 0.1, given)
    for a, b, c in zip(whole, chunked, exact, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(b.double(), c, rtol=1e-6, atol=1e-6)


@pytest.mark.usefixtures("_chunks")
def test_the_gradient_of_chunks_is_that_of_finite_differences() -> None:
    z, poses = torch.randn(PAIRS, 2, 3, dtype=torch.float64, requires_grad=True), _poses("some")
    common = dict(identity=IDENTITIES["mined"], temperature=0.3, poses=poses)
    assert torch.autograd.gradcheck(lambda z: chunked_nt_xent(z, **common), z)


@pytest.mark.usefixtures("_chunks")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("poses", ["none", "some"])
def test_chunks_stay_finite_at_a_low_temperature(poses: str, dtype: torch.dtype) -> None:
    """Of opposite, equal and random projections: float32 exponentials would overflow."""
    z = torch.randn(PAIRS, 2, 8, dtype=dtype)
    z[:6], z[0], z[1, 0] = z[0, 0].clone(), -z[0, 0].clone(), -z[1, 1].clone()
    for identity in IDENTITIES.values():
        _, (loss, gradient) = _both(z, identity, 0.01, _poses(poses))
        assert loss.isfinite()
        assert gradient.isfinite().all()


@pytest.mark.usefixtures("_chunks")
def test_autocast_changes_nothing_in_either_pass() -> None:
    z, identity, poses = torch.randn(PAIRS, 2, 9), IDENTITIES["mined"], _poses("some")
    _, plain = _both(z, identity, 0.1, poses)
    with torch.autocast("cpu", torch.bfloat16):
        _, cast = _both(z, identity, 0.1, poses)
    assert all(torch.equal(a, b) for a, b in zip(plain, cast, strict=True))


def test_a_projection_that_is_not_finite_makes_the_loss_so() -> None:
    z = torch.randn(PAIRS, 2, 9)
    z[4, 1, 2] = torch.nan
    assert chunked_nt_xent(z, IDENTITIES["alone"], temperature=0.1).isnan()


def test_the_size_of_the_batch_alone_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    for name in ("whole_nt_xent", "chunked_nt_xent"):
        monkeypatch.setattr(nt_xent, name, lambda *a, name=name, **k: calls.append(name))
    for pairs in (2, nt_xent.MAX_WHOLE // 2, nt_xent.MAX_WHOLE // 2 + 1):
        identity = torch.arange(pairs)[:, None].repeat(1, 2)
        nt_xent.nt_xent(torch.randn(pairs, 2, 2), identity, temperature=0.5)
    assert calls == ["whole_nt_xent", "whole_nt_xent", "chunked_nt_xent"]


@pytest.mark.parametrize("num_rows", [1, 23, 1025, 8192, 20_000])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_chunks_cover_every_row_once(num_rows: int, device: str) -> None:
    chunks = chunks_of(num_rows, torch.device(device))
    assert [row for chunk in chunks for row in range(chunk.start, chunk.stop)] == [*range(num_rows)]
    greatest = max(chunk.stop - chunk.start for chunk in chunks)
    assert device == "cuda" or greatest * num_rows <= nt_xent_chunks.CPU_ELEMENTS
    assert num_rows < 8192 or greatest <= -(-num_rows // nt_xent_chunks.NUM_CHUNKS)


def test_ranks_get_nearly_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    chunks, ranks = chunks_of(8192, torch.device("cuda")), 4
    monkeypatch.setattr(nt_xent_chunks.collectives, "world_size", lambda: ranks)
    own = []
    for rank in range(ranks):
        monkeypatch.setattr(nt_xent_chunks.collectives, "rank", lambda rank=rank: rank)
        own.append(own_chunks(chunks))
    assert sorted(chunk.start for part in own for chunk in part) == [c.start for c in chunks]
    work = [sum((c.stop - c.start) * (8192 - c.start) for c in part) for part in own]
    assert max(work) < 1.05 * min(work)


@pytest.mark.usefixtures("_chunks")
def test_weights_in_chunks_are_those_of_the_whole() -> None:
    poses = _poses("some")
    whole, weights = similarity_weights(poses), NegativeWeights(poses)
    chunks = chunks_of(2 * PAIRS, CPU)
    weights.set_longest(weights.measure(chunks))
    for rows in chunks:
        torch.testing.assert_close(weights.chunk(rows), whole.negative[rows, rows.start :])
    partners = torch.arange(PAIRS)
    torch.testing.assert_close(weights.of_pairs(), whole.negative[partners, partners + PAIRS])


def test_the_longest_distance_survives_cancellation() -> None:
    """Poses far from the origin, a little apart: norms alone would lose the distances."""
    poses = Poses(1000 + 0.01 * torch.randn(PAIRS, 2, 6), torch.ones(PAIRS, 2, dtype=torch.bool))
    flat = poses.pose.transpose(0, 1).flatten(0, 1)
    expected = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist").amax()
    found = NegativeWeights(poses).measure(chunks_of(2 * PAIRS, CPU))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=0)


def test_top1_in_chunks_is_that_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    z = torch.randn(PAIRS, 1, 4) + 0.5 * torch.randn(PAIRS, 2, 4)
    for identity in IDENTITIES.values():
        whole = partner_top1(z, identity)
        for rows in (1, 5, 7):
            monkeypatch.setattr(nt_xent_chunks, "LEAST_ROWS", rows)
            monkeypatch.setattr(nt_xent_chunks, "NUM_CHUNKS", 100)
            assert partner_top1(z, identity) == whole
        monkeypatch.undo()
