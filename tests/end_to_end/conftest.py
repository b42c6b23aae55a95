"""Runs of the real train.py on tiny images: in this process, or in one of their own."""

import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra
from local_slurm import LocalSlurm, SlurmFailedError
from network_guard import python_path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
# The smallest hands that every backbone takes.
TINY = ("trainer=debug", "dataset.image_size=32", "report=false")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Renders are shared by all runs of the session."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _no_encoder_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """The encoders that the cells of a sweep shared are deleted: each has 50 MB."""
    own = request.getfixturevalue("cache") if "cache" in request.fixturenames else None
    yield
    if own is not None:
        shutil.rmtree(own / "encoders", ignore_errors=True)


@pytest.fixture
def train(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Path]]:
    """train(*overrides, name="run") -> the run directory, done as `python train.py` does it."""
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # errors reach the test as they are

    def run(*overrides: str, name: str = "run") -> Path:
        run_dir = tmp_path / name
        arguments = [*TINY, f"paths.cache={cache}", f"hydra.run.dir={run_dir}", *overrides]
        monkeypatch.setattr(sys, "argv", [str(ROOT / "train.py"), *arguments])
        GlobalHydra.instance().clear()
        runpy.run_path(str(ROOT / "train.py"), run_name="__main__")
        return run_dir

    yield run
    GlobalHydra.instance().clear()


@pytest.fixture
def sweep(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., tuple[int, Path]]]:
    """sweep(*overrides, name="sweep") -> the exit code of a multirun in here, and its folder."""

    def run(*overrides: str, name: str = "sweep") -> tuple[int, Path]:
        folder = tmp_path / name
        arguments = ["-m", *TINY, f"paths.cache={cache}", f"hydra.sweep.dir={folder}", *overrides]
        monkeypatch.setattr(sys, "argv", [str(ROOT / "train.py"), *arguments])
        GlobalHydra.instance().clear()
        try:
            runpy.run_path(str(ROOT / "train.py"), run_name="__main__")
        except SystemExit as end:
            return int(end.code or 0), folder
        return 0, folder

    yield run
    GlobalHydra.instance().clear()


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSlurm]:
    """A Slurm of two nodes with two cores each, of this session's own."""
    if missing := LocalSlurm.missing():
        pytest.skip(
            f"no Slurm here, {', '.join(missing)} missing "
            "(Debian: apt-get install slurmctld slurmd slurm-client)"
        )
    with ExitStack() as stack:
        own = LocalSlurm(tmp_path_factory.mktemp("slurm") / "slurm", nodes=2, cpus=2, grace=20)
        try:
            running = stack.enter_context(own)
        except SlurmFailedError as error:
            pytest.skip(f"Slurm is installed, and does not start: {error}")
        yield running


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict]:
    """bench(script, *options) -> what the benchmark writes to --json, run in this process."""
    monkeypatch.syspath_prepend(SCRIPTS)  # as Python does with a script's folder

    def run(script: str, *options: str) -> dict:
        out = tmp_path / "out.json"
        monkeypatch.setattr(sys, "argv", [script, *options, "--json", str(out)])
        runpy.run_path(str(SCRIPTS / script), run_name="__main__")
        return json.loads(out.read_text())

    return run


@pytest.fixture
def train_process(cache: Path) -> Callable[..., subprocess.CompletedProcess]:
    """train_process(*overrides, root=ROOT): `python train.py` there, in a process of its own."""

    def run(*overrides: str, root: Path = ROOT) -> subprocess.CompletedProcess:
        environment = {**os.environ, "PYTHONPATH": python_path(root), "COLUMNS": "120"}
        return subprocess.run(
            [sys.executable, "train.py", *overrides, f"paths.cache={cache}"],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def trained(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small finished run for all tests that use a model."""
    run_dir = tmp_path_factory.mktemp("trained") / "run"
    choices = ["trainer=debug", "dataset.image_size=32", "objective=none", "report=false"]
    with pytest.MonkeyPatch.context() as patch:
        places = [f"paths.cache={cache}", f"hydra.run.dir={run_dir}"]
        patch.setattr(sys, "argv", [str(ROOT / "train.py"), *choices, *places])
        runpy.run_path(str(ROOT / "train.py"), run_name="__main__")
    return run_dir


@pytest.fixture
def script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> Callable[..., str]:
    """script(name, *arguments) -> what it said, run in `tmp_path`; SystemExit goes through."""
    monkeypatch.chdir(tmp_path)

    def run(name: str, *arguments: object) -> str:
        path = str(ROOT / "scripts" / f"{name}.py")
        monkeypatch.setattr(sys, "argv", [path, *map(str, arguments)])
        capsys.readouterr()
        runpy.run_path(path, run_name="__main__")
        return capsys.readouterr().out

    return run
