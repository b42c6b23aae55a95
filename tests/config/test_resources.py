"""What this machine certainly has too little of is told before the run, with what to lower."""

import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from handpose.config import check_command_line
from handpose.config.checks import machine
from handpose.data.workers import default_num_workers

Refused = Callable[..., str]
GB = 10**9


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine, "memory_bytes", lambda: 8 * GB)


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit):
            check_command_line(["trainer=cpu", *arguments])
        return capsys.readouterr().err

    return run


def test_a_batch_beyond_memory_is_refused(refused: Refused) -> None:
    many = ["dataset.num_train=100000", "head=none", "dataset.image_size=224"]
    # 400 pairs x 2 views x 224 x 224 px x 200 bytes
    printed = refused(*many, "pretrain.batch_size=400", "pretrain.gradient_cache_chunk=null")
    assert "has 1 problem." in printed
    assert "pretrain.batch_size=400 with pretrain.dataset.image_size=224" in printed
    assert "at least 8.0 GB of memory, and this machine has 8.0 GB" in printed
    check_command_line(["trainer=cpu", *many, "pretrain.batch_size=398"])
    check_command_line(
        ["trainer=cpu", *many, "pretrain.batch_size=400", "pretrain.gradient_cache_chunk=64"]
    )


def test_of_a_fine_tuned_and_an_evaluated_batch(refused: Refused) -> None:
    large = ["objective=none", "dataset.image_size=1024", "dataset.num_train=10000"]
    check_command_line(["trainer=cpu", *large, "finetune.batch_size=16", "evaluate.batch_size=64"])
    assert "finetune.batch_size=64 with" in refused(*large, "finetune.batch_size=64")
    frozen = [*large, "finetune.batch_size=64", "finetune.freeze_backbone=true"]
    check_command_line(["trainer=cpu", *frozen, "evaluate.batch_size=64"])
    assert "evaluate.batch_size=256 with finetune.dataset.image_size=1024" in refused(*frozen)


def test_no_more_samples_than_there_are_count(refused: Refused) -> None:
    """A run takes what there is where a batch asks for more; the caps hold too."""
    asked = ["pretrain.batch_size=1000000", "head=none", "evaluate.batch_size=16"]
    check_command_line(["trainer=cpu", *asked])
    check_command_line(["trainer=debug", *asked, "dataset.num_train=10000000"])
    assert "pretrain.batch_size=1000000" in refused(*asked, "dataset.num_train=1000000")


def test_renders_beyond_the_disk_are_refused(refused: Refused) -> None:
    printed = refused("dataset.render_size=1024", "dataset.num_train=10000000")
    assert "has 1 problem." in printed
    assert "dataset.render_size=1024: 10,000,756 hands need 31,459.7 GB" in printed


def test_renders_that_are_there_need_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    usage = machine.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    hands = ["dataset.num_train=2", "dataset.num_val=1", "dataset.num_test=1"]
    assert "dataset.render_size=96" in refused(*hands)
    folder = tmp_path / "cache" / "synthetic" / "train-0"
    folder.mkdir(parents=True)
    (folder / "image.npy").write_bytes(bytes(4 * 96 * 96 * 3))
    check_command_line(["trainer=cpu", *hands])


def limited(monkeypatch: pytest.MonkeyPatch, soft: int, hard: int) -> None:
    monkeypatch.setattr(machine.resource, "getrlimit", lambda _: (soft, hard))


def test_a_low_limit_of_open_files_is_named(
    monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    limited(monkeypatch, 100, 4096)
    printed = refused("trainer.num_workers=2")
    assert "ulimit -n: 100 files may be open at once, and a run with 2 workers needs 112" in printed
    assert "run `ulimit -n 112` first or set trainer.num_workers=1" in printed
    for workers in (0, 1):
        check_command_line([f"trainer.num_workers={workers}"])
    limited(monkeypatch, 64, 64)
    assert "needs 88; set trainer.num_workers=0" in refused("trainer.num_workers=1")
    limited(monkeypatch, 40, 40)
    assert "ask for a hard limit of 64, which is 40" in refused("trainer.num_workers=0")
    default = default_num_workers(on_gpu=False)
    assert f"a run with {default} workers" in refused("trainer=cpu")
    limited(monkeypatch, 1024, resource.RLIM_INFINITY)
    check_command_line(["trainer.num_workers=8"])


def test_the_driver_of_a_slurm_sweep_is_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, 40, 40)
    which = "handpose.config.checks.sweeps.shutil.which"
    monkeypatch.setattr(which, lambda _: "/usr/bin/sbatch")
    check_command_line(["-m", "hydra/launcher=slurm", "seed=1,2"])


def test_memory_is_that_of_the_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(machine, "_CGROUP", limit)
    whole = machine.memory_bytes()
    limit.write_text("max\n")
    assert machine.memory_bytes() == whole > GB // 4
    limit.write_text(f"{GB // 8}\n")
    assert machine.memory_bytes() == GB // 8
