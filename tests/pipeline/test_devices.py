"""GPUs that are not there are told before anything is read."""

import pytest
from omegaconf import OmegaConf

from handpose.pipeline.trainers import check_devices


def _check(monkeypatch: pytest.MonkeyPatch, accelerator: str, devices: object, here: int) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: here)
    node = {"accelerator": accelerator, "devices": devices}
    check_devices(OmegaConf.create({"trainer": node}))


@pytest.mark.parametrize("is_slurm", [False, True])
@pytest.mark.parametrize(
    ("devices", "here", "said"),
    [
        (1, 0, "no GPU that torch can use; choose trainer=auto or trainer=cpu"),
        (4, 2, "trainer.devices=4: torch sees 2 GPUs here"),
        ([0, 3], 3, "torch sees 3 GPUs here"),
    ],
)
def test_gpus_that_are_not_there_are_refused(
    monkeypatch: pytest.MonkeyPatch, devices: object, here: int, said: str, is_slurm: bool
) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    if is_slurm:
        monkeypatch.setenv("SLURM_JOB_ID", "1")
    with pytest.raises(ValueError, match=said) as refused:
        _check(monkeypatch, "gpu", devices, here)
    assert ("srun" in str(refused.value)) is is_slurm


@pytest.mark.parametrize(
    ("accelerator", "devices", "here"),
    [("gpu", 1, 1), ("gpu", [0, 3], 4), ("auto", 1, 0), ("cpu", 2, 0)],
)
def test_the_others_are_not(
    monkeypatch: pytest.MonkeyPatch, accelerator: str, devices: object, here: int
) -> None:
    _check(monkeypatch, accelerator, devices, here)
