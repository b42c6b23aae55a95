"""A moving average of weights, and the schedule of its momentum."""

import math
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from handpose.objectives.moving_average import MovingAverage, momentum_at


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)).double()


def moved(student: nn.Module, step: int) -> None:
    for number, tensor in enumerate([*student.parameters(), *student.buffers()]):
        tensor.data += (step + 1) * (number + 1)


def scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def test_it_starts_equal_and_takes_no_random_numbers() -> None:
    student = network()
    state = torch.get_rng_state()
    teacher = MovingAverage(student)
    assert torch.equal(state, torch.get_rng_state())
    own, new = teacher.network.state_dict(), student.state_dict()
    assert all(torch.equal(own[name], new[name]) for name in new)
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert all(parameter.requires_grad for parameter in student.parameters())


@pytest.mark.parametrize("batch_statistics", [True, False])
def test_an_average_is_the_weighted_sum_of_all_students_before(batch_statistics: bool) -> None:
    """(1 - m) sum_k m^(K - k) student_k + m^K student_0, of the buffers too in evaluation mode."""
    student, m = network(), 0.75
    teacher = MovingAverage(student, batch_statistics=batch_statistics)
    history = [deepcopy(student.state_dict())]
    for step in range(4):
        moved(student, step)
        teacher.update(student, scalar(m))
        history.append(deepcopy(student.state_dict()))
    found = teacher.network.state_dict()
    for name in ("0.weight", "0.bias", "1.weight", "1.running_mean"):
        expected = m**4 * history[0][name]
        for step in range(1, 5):
            expected = expected + (1 - m) * m ** (4 - step) * history[step][name]
        if "running" in name and batch_statistics:
            expected = history[0][name]  # what its own batches make of them
        torch.testing.assert_close(found[name], expected, rtol=1e-12, atol=1e-12)


def test_at_a_momentum_of_one_it_keeps_its_bits() -> None:
    student = network().float()
    teacher = MovingAverage(student)
    moved(student, 0)
    before = deepcopy(teacher.state_dict())
    teacher.update(student, scalar(1.0))
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())


@pytest.mark.parametrize("batch_statistics", [True, False])
def test_in_training_only_batch_norm_is(batch_statistics: bool) -> None:
    teacher = MovingAverage(network(), batch_statistics=batch_statistics).train()
    _, norm, dropout = teacher.network
    assert (norm.training, dropout.training) == (batch_statistics, False)
    images = torch.randn(8, 3, dtype=torch.float64)
    assert torch.equal(teacher.network(images), teacher.network(images))
    teacher.eval()
    assert not norm.training


def test_momentum_rises_from_its_start_to_one_as_a_cosine() -> None:
    assert momentum_at(0, start=0.9, total_steps=8) == pytest.approx(0.9)
    assert momentum_at(4, start=0.9, total_steps=8) == pytest.approx(0.95)
    assert momentum_at(2, start=0.9, total_steps=8) == pytest.approx(
        1 - 0.1 * (math.cos(math.pi / 4) + 1) / 2
    )
    assert momentum_at(8, start=0.9, total_steps=8) == 1
    assert momentum_at(9, start=0.9, total_steps=8) == 1


def test_before_any_change_of_mode_dropout_is_off_and_batch_norm_as_asked() -> None:
    """Lightning's fit does not switch modes, so the constructor must."""
    student = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(2))
    own, running = (MovingAverage(student, batch_statistics=on).network for on in (True, False))
    assert [module.training for module in own] == [False, True]
    assert [module.training for module in running] == [False, False]
