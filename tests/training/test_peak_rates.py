"""Peak rates by the names that torch gives GPUs."""

import pytest
import torch

from handpose.training.peak_rates import number_format, peak_flops, rates_of

CUDA = torch.device("cuda")


@pytest.mark.parametrize(
    ("name", "bf16"),
    [
        ("NVIDIA H200", 989.4),
        ("NVIDIA H100 80GB HBM3", 989.4),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H100 NVL", 835.5),
        ("NVIDIA A100-SXM4-40GB", 312),
        ("NVIDIA A100 80GB PCIe", 312),
        ("NVIDIA A10", 125),
        ("NVIDIA L4", 121),
        ("NVIDIA L40", 181),
        ("NVIDIA L40S", 362),
        ("NVIDIA GeForce RTX 3090", 71),
        ("NVIDIA GeForce RTX 4090", 165.2),
        ("NVIDIA RTX A6000", 154.8),
    ],
)
def test_each_gpu_has_its_own_row(name: str, bf16: float) -> None:
    assert rates_of(name).bf16 == bf16


@pytest.mark.parametrize("name", ["NVIDIA A10G", "NVIDIA GeForce RTX 3090 Ti", "Tesla K80", ""])
def test_what_is_not_listed_is_unknown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rates_of(name) is None
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    assert peak_flops(CUDA, "32-true") == (None, f"the peak FLOP/s of {name} are not listed")


@pytest.mark.parametrize(
    ("name", "precision", "tf32", "expected"),
    [
        ("NVIDIA H200", "bf16-mixed", True, 989.4e12),
        ("NVIDIA H200", "32-true", True, 494.7e12),
        ("NVIDIA H200", "32-true", False, 66.9e12),
        ("Tesla T4", "16-mixed", True, 65e12),
        ("Tesla T4", "32-true", True, 8.1e12),  # it has no tf32
        ("Tesla V100-SXM2-16GB", "16-mixed", True, 125e12),
    ],
)
def test_the_precision_decides(
    name: str, precision: str, tf32: bool, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    monkeypatch.setattr("handpose.training.peak_rates._allows_tf32", lambda: tf32)
    assert peak_flops(CUDA, precision)[0] == pytest.approx(expected)


def test_an_unknown_rate_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    assert peak_flops(torch.device("cpu"), "32-true") == (
        None,
        "the peak FLOP/s of a CPU are not known",
    )
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla T4")
    assert peak_flops(CUDA, "bf16-mixed") == (None, "Tesla T4 has no units for bf16")
    assert number_format("16-mixed") == "fp16"
