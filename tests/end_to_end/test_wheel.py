"""The wheel, installed outside the checkout: the `handpose` command and the package work alone."""

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
TINY = ("trainer=debug", "dataset.image_size=32", "report=false")
Run = Callable[..., str]

pytestmark = pytest.mark.slow


def done(command: list[str], cwd: Path) -> str:
    """What a command prints; it must succeed. Only what is installed can be imported."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    ended = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    return ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin/ of an environment with the wheel, and this environment's other packages.

    A path in a .pth file adds a directory, but not the .pth files in it, so an editable install of
    the checkout is not seen.
    """
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip"]
    own = ["--no-deps", "--quiet", "--disable-pip-version-check"]
    done([*pip, "wheel", *own, "--no-build-isolation", "--wheel-dir", ".", str(ROOT)], folder)
    venv.create(folder / "environment", with_pip=False, symlinks=True)
    (site,) = (folder / "environment").glob("lib/python*/site-packages")
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = folder / "environment" / "bin" / "python"
    (wheel,) = folder.glob("*.whl")
    done([*pip, "--python", str(python), "install", *own, str(wheel)], folder)
    return python.parent


@pytest.fixture
def run(programs: Path, tmp_path: Path) -> Run:
    """run(program, *arguments): what a program of the environment prints in an empty directory."""
    return lambda program, *arguments: done([str(programs / program), *arguments], tmp_path)


def test_it_is_the_installed_package(run: Run, programs: Path) -> None:
    where = run("python", "-c", "import handpose; print(handpose.__file__)").strip()
    assert Path(where).is_relative_to(programs.parent)
    assert run("handpose", "--version").startswith("handpose ")
    assert (Path(where).parent / "conf" / "wandb" / "sweep.yaml").is_file()


def test_train_predict_and_doctor(run: Run, tmp_path: Path) -> None:
    run("handpose", "train", *TINY, "hydra.run.dir=first")
    assert (tmp_path / "first" / "train.log").stat().st_size > 0
    cv2.imwrite(str(tmp_path / "hand.png"), np.full((64, 64, 3), 128, np.uint8))
    run("handpose", "predict", "first", "hand.png")
    assert (tmp_path / "predictions" / "hand.json").is_file()
    run("handpose", "evaluate", "first", "evaluate.split=val")
    run("handpose", "doctor", "trainer=debug", "dataset.image_size=32")
    assert "handpose doctor trainer=debug" in (
        tmp_path / "doctor" / "synthetic" / "doctor.html"
    ).read_text(encoding="utf-8")
    code = "import handpose; print(handpose.HandPose.from_run('first').predict(['hand.png'])[0].uv)"
    assert "[[" in run("python", "-c", code)
    assert "handpose train" in run("handpose", "study", "invariance_vs_equivariance", "--plan")


def test_several_processes_and_a_sweep(run: Run, tmp_path: Path) -> None:
    run("handpose", "train", *TINY, "trainer.devices=2", "hydra.run.dir=two")
    assert (tmp_path / "two" / "results.json").is_file()
    run("python", "-m", "handpose", "train", "-m", *TINY, "objective=none,relative", "sweep=s")
    assert "handpose train -m" in (tmp_path / "runs" / "s" / "sweep.md").read_text()
    assert len(list((tmp_path / "runs" / "s").glob("*/results.json"))) == 2
