"""Runs of two processes on one machine: one directory, one log, the weights of one model."""

import csv
import json
import math
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from network_guard import python_path

ROOT = Path(__file__).resolve().parents[2]
TINY = ("trainer=debug", "dataset.image_size=32", "report=false", "trainer.devices=2")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
Process = subprocess.CompletedProcess


@pytest.fixture
def run_file(cache: Path) -> Callable[..., Process]:
    """run_file(arguments of python..., overrides...): in a process of its own."""

    def run(*arguments: str) -> Process:
        return subprocess.run(
            [sys.executable, *arguments, *TINY, f"paths.cache={cache}"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": python_path(ROOT), "COLUMNS": "120"},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    return run


def weights(run_dir: Path, name: str) -> dict[str, torch.Tensor]:
    return torch.load(run_dir / name, weights_only=True)["state_dict"]


def same(one: Path, other: Path) -> bool:
    """Whether two runs ended in the same bits."""
    pairs: list[tuple[Any, Any]] = [
        (weights(one, name), weights(other, name)) for name in ("backbone.pt", "model.pt")
    ]
    return all(torch.equal(a[key], b[key]) for a, b in pairs for key in a)


def test_two_processes_make_one_run(run_file: Callable[..., Process], tmp_path: Path) -> None:
    run_dir = tmp_path / "it's [one], run=1"
    command = (
        "train.py",
        "objective=hybrid",
        "pretrain.gradient_cache_chunk=3",
        "dataset.seed=77",  # renders of its own
        "head=regression",
        "hydra.run.dir='" + str(run_dir).replace("'", "\\'") + "'",
    )
    done = run_file(*command)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert list(tmp_path.iterdir()) == [run_dir]
    results = json.loads((run_dir / "results.json").read_text())
    assert math.isfinite(results["pa_epe_mm"])
    assert results["n_test"] == 32  # all of them, once
    assert done.stdout.count("Held-out pairs") == 1
    for split in ("train", "val", "test"):  # the first process renders, since the other is silent
        assert done.stdout.count(f"rendering {split} hands: 32") == 1
    with (run_dir / "metrics.csv").open(newline="") as file:
        rows = Counter((row["name"], row["epoch"], row["step"]) for row in csv.DictReader(file))
    names = {name for name, *_ in rows}
    assert {"pretrain/train_loss", "pretrain/step_loss", "finetune/val_pa_epe_mm"} <= names
    lines = [line for line in (run_dir / "train.log").read_text().splitlines() if "done:" in line]
    assert len(lines) == 2  # of the first process alone
    assert set(rows.values()) == {1}
    assert (run_dir / ".hydra" / "config.yaml").exists()


@pytest.mark.slow
def test_two_processes_validate_the_average_that_the_first_one_saves(
    run_file: Callable[..., Process], tmp_path: Path
) -> None:
    """BatchNorm's statistics differ between processes, in the model and so in its average."""
    done = run_file(
        "train.py",
        *("objective=none", "head=simcc", "backbone=resnet18_half", "evaluate.split=val"),
        *("finetune.average_decay=0.9", "trainer.caps.batches=4", f"hydra.run.dir={tmp_path}"),
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["pa_epe_mm"] == pytest.approx(results["val_pa_epe_mm"], rel=1e-4)
    assert not any("average" in name for name in weights(tmp_path, "model.pt"))


@pytest.mark.slow
def test_two_processes_train_compiled_models(
    run_file: Callable[..., Process], tmp_path: Path
) -> None:
    losses = {}
    for compile in ("false", "true"):
        done = run_file(
            "train.py",
            *("objective=none", "head=regression", "backbone=resnet18_half"),
            *("trainer.caps.batches=3", f"trainer.compile={compile}"),
            f"hydra.run.dir={tmp_path / compile}",
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        with (tmp_path / compile / "metrics.csv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["name"].endswith("step_loss")]
        losses[compile] = [float(row["value"]) for row in rows]
    assert len(losses["true"]) == 3
    assert losses["true"] != losses["false"]
    assert losses["true"] == pytest.approx(losses["false"], rel=2e-2)


@pytest.mark.slow
def test_torchrun_does_the_same(run_file: Callable[..., Process], tmp_path: Path) -> None:
    ours, torchruns = tmp_path / "ours", tmp_path / "torchruns"
    for start, run_dir in ((("train.py",), ours), ((*TORCHRUN, "train.py"), torchruns)):
        done = run_file(*start, f"hydra.run.dir={run_dir}")
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert same(ours, torchruns)
    again = run_file("train.py", f"hydra.run.dir={ours}")
    assert again.returncode == 0
    assert (again.stdout + again.stderr).count("is finished already") == 1
    other = run_file("train.py", f"hydra.run.dir={ours}", "seed=6")
    assert other.returncode == 1
    assert other.stderr.count("seed: 5 -> 6") == 1


@pytest.mark.slow
def test_resident_crops_of_each_process_give_the_bits_of_decoded_ones(
    run_file: Callable[..., Process], tmp_path: Path
) -> None:
    settings = ("train.py", "trainer.augment_on=device", "objective=relative", "head=regression")
    decoded, resident = tmp_path / "decoded", tmp_path / "resident"
    packed = ("dataset.packed=true", "trainer.resident=true")
    for run_dir, own in ((decoded, ("dataset.packed=false",)), (resident, packed)):
        done = run_file(*settings, *own, f"hydra.run.dir={run_dir}")
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert same(decoded, resident)


@pytest.mark.slow
def test_a_process_that_fails_ends_the_run_which_then_goes_on(
    run_file: Callable[..., Process], tmp_path: Path
) -> None:
    """What it ends in is what a run that never failed ends in."""
    longer = ("trainer.caps.max_epochs=3", "finetune.max_epochs=3", "head=regression")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert run_file("train.py", *longer, f"hydra.run.dir={whole}").returncode == 0
    fails = str(ROOT / "tests" / "support" / "fails_on_rank_1.py")
    begin = time.monotonic()
    done = run_file(*TORCHRUN, fails, *longer, f"hydra.run.dir={broken}")
    assert time.monotonic() - begin < 600  # not the patience of the waiting ones
    assert done.returncode != 0
    assert "process 1 broke" in done.stderr
    assert not (broken / "model.pt").exists()
    assert run_file("train.py", *longer, f"hydra.run.dir={broken}").returncode == 0
    assert same(whole, broken)


@pytest.mark.slow
def test_cells_of_a_sweep_have_processes_of_their_own_and_share_an_encoder(
    run_file: Callable[..., Process], cache: Path, tmp_path: Path
) -> None:
    """Their processes are each a run by itself to Hydra, and yet of a sweep."""
    sweep = f"hydra.sweep.dir={tmp_path / 'sweep'}"
    done = run_file("train.py", "-m", "objective=equivariant", "head=none,regression", sweep)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    folders = sorted((tmp_path / "sweep").glob("*/"))
    assert [(folder / "results.json").exists() for folder in folders] == [True, True]
    makers = [file.read_text() for file in cache.glob("encoders/*/makers.txt")]
    assert len([text for text in makers if str(tmp_path) in text]) == 1
    one, other = (weights(folder, "backbone.pt") for folder in folders)
    assert all(torch.equal(one[key], other[key]) for key in one)
