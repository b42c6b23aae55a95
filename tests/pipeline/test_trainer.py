"""The device of a trainer."""

import pytest
import torch
from omegaconf import OmegaConf

from handpose.pipeline.trainers import _accelerator


@pytest.mark.parametrize(
    ("has_mps", "wanted", "expected"),
    [(True, "auto", "cpu"), (False, "auto", "auto"), (True, "gpu", "gpu"), (True, "cpu", "cpu")],
)
def test_a_mac_computes_on_the_cpu_and_says_why(
    has_mps: bool,
    wanted: str,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: has_mps)
    cfg = OmegaConf.create({"trainer": {"accelerator": wanted}})
    assert _accelerator(cfg) == expected
    assert ("float64" in caplog.text) == (expected != wanted)
