"""Several processes: refused before the start where they cannot work."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from handpose.config import check_command_line
from handpose.config.catalogue import CONF
from handpose.config.schema import num_processes, register
from handpose.config.stored import check_evaluation

Refused = Callable[..., str]
TORCHRUN = dict(RANK="0", LOCAL_RANK="0", MASTER_ADDR="127.0.0.1", MASTER_PORT="1")
SRUN = dict(SLURM_PROCID="0")


@pytest.fixture
def refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Refused:
    """Asserts that a command line is refused for one problem, and returns what is printed."""
    register()
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **environment: str) -> str:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as exit_:
            check_command_line(list(arguments))
        assert exit_.value.code == 1
        printed = capsys.readouterr().err
        assert "has 1 problem." in printed
        assert not list(tmp_path.iterdir())
        return printed

    return run


def test_a_batch_that_cannot_be_divided(refused: Refused) -> None:
    printed = refused("trainer.devices=3", "head=none")
    assert "pretrain.batch_size=16: is divided among 3 processes" in printed
    assert "set a multiple of 3 that is at least 6" in printed
    printed = refused("trainer.devices=4", "objective=none", "finetune.batch_size=4")
    assert "set a multiple of 4 that is at least 8" in printed
    printed = refused("trainer=debug", "trainer.devices=8", "objective=none")
    assert "finetune.batch_size=16 (capped at 8): is divided among 8" in printed


def test_synchronised_statistics_without_a_gpu(refused: Refused) -> None:
    several = ("trainer.devices=2", "trainer.sync_batchnorm=true")
    assert "on GPUs only" in refused(*several, "trainer.accelerator=cpu")


def test_jpeg_packs_that_only_some_runs_would_use(refused: Refused) -> None:
    """Else dataset.packed, which a resume may change, would change the result."""
    for packed in ((), ("dataset.packed=false",)):
        printed = refused("dataset.pack_format=jpeg", *packed, "head=none")
        assert "it needs pretrain.dataset.packed=true" in printed


def test_other_machines_without_a_launcher(refused: Refused) -> None:
    printed = refused("trainer.devices=2", "trainer.num_nodes=2")
    assert "not started from here" in printed
    assert "torchrun --nnodes 2 --nproc-per-node 2" in printed


def test_another_number_of_processes_than_asked_for(refused: Refused) -> None:
    own_folder = "hydra.run.dir=run"
    printed = refused(own_folder, "trainer.devices=4", **TORCHRUN, WORLD_SIZE="2")
    assert "trainer.devices=4 trainer.num_nodes=1: 4 in all, and torchrun started 2" in printed


@pytest.mark.parametrize(
    "by", [TORCHRUN | {"WORLD_SIZE": "2"}, SRUN | {"SLURM_STEP_NUM_TASKS": "2"}]
)
def test_processes_that_would_each_choose_a_directory(by: dict, refused: Refused) -> None:
    assert "write hydra.run.dir=DIR" in refused("trainer.devices=2", **by)


def test_a_sweep_in_step(refused: Refused) -> None:
    printed = refused("-m", "seed=1,2", "trainer.devices=2", **TORCHRUN, WORLD_SIZE="2")
    assert "--multirun: not under torchrun" in printed


def test_slurm_tasks_of_unknown_places(refused: Refused) -> None:
    several = ("hydra.run.dir=run", "trainer.devices=2")
    printed = refused(*several, **SRUN, SLURM_STEP_NUM_TASKS="2")
    assert "add --ntasks-per-node=2" in printed


def test_what_holds_passes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    register()
    monkeypatch.chdir(tmp_path)
    check_command_line(["trainer.devices=2"])
    check_command_line(["trainer.devices=[0,3]", "pretrain.batch_size=4"])
    check_command_line(["-m", "trainer.devices=3", "pretrain.batch_size=6,9", "head=none"])
    # elsewhere the launcher starts one for each device
    check_command_line(["-m", "trainer.num_nodes=2", "seed=1,2"])
    for name, value in {**TORCHRUN, "WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    check_command_line(["trainer.devices=2", "trainer.num_nodes=2", "hydra.run.dir=run"])


def test_an_evaluation_is_of_one_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    register()
    monkeypatch.chdir(tmp_path)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=["trainer.devices=2", "trainer.num_nodes=2"])
    trained = OmegaConf.to_container(cfg, resolve=True)
    assert num_processes(cfg.trainer) == 4
    assert num_processes(check_evaluation(trained, []).trainer) == 1
    with pytest.raises(SystemExit):
        check_evaluation(trained, ["trainer.devices=2"])
    assert "an evaluation has one process" in capsys.readouterr().err
