"""A finished run, and the same as a shared folder."""

import shutil
from pathlib import Path

import pytest
from shared_runs import composed, write_run

from handpose.hub.remote import Directory
from handpose.hub.transfer import push


@pytest.fixture(scope="session")
def _run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("hub") / "run", composed())


@pytest.fixture
def run_dir(_run: Path, tmp_path: Path) -> Path:
    """A copy for each test."""
    return Path(shutil.copytree(_run, tmp_path / "run"))


@pytest.fixture(scope="session")
def _share(_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub") / "share"
    push(_run, Directory(folder))
    return folder


@pytest.fixture
def share(_share: Path, tmp_path: Path) -> Path:
    """That run as a shared folder, a copy for each test."""
    return Path(shutil.copytree(_share, tmp_path / "share"))
