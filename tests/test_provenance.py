"""Provenance: of the checkout of handpose alone, in plain values, without a failing git call."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from handpose import __version__, provenance

SOURCE = "handpose/__init__.py"


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with the layout of this one."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = tmp_path / "clone"
    write(folder / SOURCE, "")
    write(folder / "docs" / "page.md", "")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")
    return folder


@pytest.fixture(autouse=True)
def _forget() -> None:
    provenance.revision.cache_clear()


def test_a_clean_checkout_has_its_commit(clone: Path) -> None:
    assert provenance.revision(clone) == (git(clone, "rev-parse", "HEAD"), False)


@pytest.mark.parametrize("name", [SOURCE, "handpose/new.py", "conf/experiment/mine.yaml"])
def test_changed_and_new_sources_make_it_dirty(clone: Path, name: str) -> None:
    write(clone / name, "changed")
    assert provenance.revision(clone)[1] is True


@pytest.mark.parametrize("name", ["docs/page.md", "runs/1/results.json"])
def test_what_decides_no_result_does_not(clone: Path, name: str) -> None:
    write(clone / name, "changed")
    assert provenance.revision(clone)[1] is False


def test_it_is_read_once(clone: Path) -> None:
    before = provenance.revision(clone)
    write(clone / SOURCE, "edited while the run is on")
    assert provenance.revision(clone) == before


def test_a_worktree_has_its_own_commit(clone: Path, tmp_path: Path) -> None:
    git(clone, "worktree", "add", "-q", "-b", "other", str(tmp_path / "other"))
    write(tmp_path / "other" / "handpose" / "more.py", "")
    git(tmp_path / "other", "add", "-A")
    git(tmp_path / "other", "commit", "-q", "-m", "second")
    own = provenance.revision(tmp_path / "other")
    assert own == (git(tmp_path / "other", "rev-parse", "HEAD"), False)
    assert own != provenance.revision(clone)


def test_another_projects_repository_is_not_taken_for_it(clone: Path) -> None:
    inside = clone / "venv" / "lib" / "site-packages"
    write(inside / SOURCE, "")
    assert provenance.revision(inside) == (None, None)


def test_an_untracked_copy_in_the_root_of_a_repository_is_not_a_checkout(clone: Path) -> None:
    git(clone, "rm", "-rq", "--cached", "handpose")
    git(clone, "commit", "-q", "-m", "another project")
    assert (clone / SOURCE).exists()
    assert provenance.revision(clone) == (None, None)


def test_without_a_commit_or_without_git(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "empty" / SOURCE, "")
    git(tmp_path / "empty", "init", "-q")
    git(tmp_path / "empty", "add", "-A")
    assert provenance.revision(tmp_path / "empty") == (None, None)
    write(tmp_path / "broken" / ".git", "gitdir: /nowhere")
    assert provenance.revision(tmp_path / "broken") == (None, None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.revision(clone) == (None, None)


def test_a_slow_git_is_given_up(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(command: list[str], **options: object) -> subprocess.CompletedProcess:
        if "status" in command:
            raise subprocess.TimeoutExpired(command, options["timeout"])
        return real(command, **options)

    real: Callable = subprocess.run
    commit = git(clone, "rev-parse", "HEAD")
    monkeypatch.setattr(provenance.subprocess, "run", slow)
    assert provenance.revision(clone) == (commit, None)


def test_the_repositorys_programs_are_not_started(clone: Path) -> None:
    """git starts the program core.fsmonitor names; a hook of git points GIT_DIR elsewhere."""
    started = clone.parent / "started"
    git(clone, "config", "core.fsmonitor", f"touch {started};")
    provenance.revision(clone)
    assert not started.exists()
    git(clone, "status")
    assert started.exists()  # the trap works


def test_git_variables_of_a_hook_do_not_count(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q", "hooked")
    commit = git(clone, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "hooked" / ".git"))
    assert provenance.revision(clone)[0] == commit


def kinds(node: object) -> set[type]:
    if isinstance(node, dict):
        return set.union(*map(kinds, node.values()))
    return {type(node)}


def test_it_is_plain_and_names_what_runs() -> None:
    import torch

    found = provenance.provenance(device="cpu", processes=2, command="handpose train seed=1")
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert kinds(found) <= {str, int, bool, type(None)}  # a weights file may hold no other class
    assert list(found) == ["commit", "dirty", "versions", "device", "host", "command", "started"]
    assert found["command"] == "handpose train seed=1"
    assert {"torch": torch.__version__, "handpose": __version__}.items() <= found[
        "versions"
    ].items()
    assert found["versions"]["python"] == sys.version.split()[0]
    assert {"timm", "torchvision", "lightning", "cuda", "cudnn"} <= found["versions"].keys()
    assert found["device"]["type"] == "cpu"
    assert found["device"]["processes"] == 2
    assert found["device"]["count"] >= 1
    assert found["device"]["name"]


def test_the_processors_time_has_a_zone() -> None:
    from datetime import datetime

    assert datetime.fromisoformat(provenance.now()).tzinfo is not None
