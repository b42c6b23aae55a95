"""Who waits for a shared encoder, and where."""

import math

import pytest
from omegaconf import OmegaConf

from handpose.distributed.processes import OF_A_SWEEP
from handpose.pipeline.stages.shared_encoder import _patience, is_shared

SLURM = "hydra_plugins.handpose_launcher.slurm.WaitingSlurmLauncher"
JOBLIB = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"


@pytest.mark.parametrize(
    ("launcher", "minutes", "lease", "seconds"),
    [
        (SLURM, 10, 60, 600),
        (SLURM, 1, 60, 120),  # less would never see a dead holder's lease run out
        (SLURM, None, 60, math.inf),
        (JOBLIB, 10, 60, math.inf),  # cells that may share one job
        (None, 10, 60, math.inf),
    ],
)
def test_a_cell_with_a_slurm_job_to_itself_gives_way(
    monkeypatch: pytest.MonkeyPatch,
    launcher: str | None,
    minutes: float | None,
    lease: float,
    seconds: float,
) -> None:
    """In the processes that a cell starts itself too, which Hydra takes for runs by themselves."""
    if launcher is not None:
        monkeypatch.setenv(OF_A_SWEEP, launcher)
    stage = {"share": None, "lease_seconds": lease, "give_way_minutes": minutes}
    cfg = OmegaConf.create({"pretrain": stage})
    assert _patience(cfg) == seconds
    assert is_shared(cfg) == (launcher is not None)
