"""GPUs that are not there are told before anything is read."""

import pytest
from omegaconf import OmegaConf

from handpose.pipeline.trainers import check_devices


def _check(monkeypatch: pytest.MonkeyPatch, accelerator: str, devices: object, here: int) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: here)
    node = {"accelerator": accelerator, "devices": devices}
    check_devices(OmegaConf.create({"trainer": node}))


@pytest.mark.parametrize(("devices", "here"), [(1, 0), (4, 2), ([0, 3], 3)])
def test_gpus_that_are_not_there_are_refused(
    monkeypatch: pytest.MonkeyPatch, devices: object, here: int
) -> None:
    with pytest.raises(ValueError, match=rf"torch sees {here} GPUs here"):
        _check(monkeypatch, "gpu", devices, here)


@pytest.mark.parametrize(
    ("accelerator", "devices", "here"),
    [("gpu", 1, 1), ("gpu", [0, 3], 4), ("auto", 1, 0), ("cpu", 2, 0)],
)
def test_the_others_are_not(
    monkeypatch: pytest.MonkeyPatch, accelerator: str, devices: object, here: int
) -> None:
    _check(monkeypatch, accelerator, devices, here)
