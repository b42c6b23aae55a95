"""Runs below a folder: what is found, what is refused, and that nothing outside is read."""

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from handpose.config.stored import outside_problems
from handpose.explore.finished_runs import Evaluator, find_runs


def write_run(folder: Path, **results: float) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"seed": 5}))
    (folder / "results.json").write_text(json.dumps(results))
    return folder


def test_runs_and_sweeps_by_their_folders(tmp_path: Path) -> None:
    for name in ("study/a", "study/b", "2026-01-01/alone"):
        write_run(tmp_path / name, pa_epe_mm=1.0)
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "config.json").write_text("{}")
    found = find_runs(tmp_path)
    assert set(found.runs) == {"study/a", "study/b", "2026-01-01/alone"}
    assert found.sweeps() == {"study": ["study/a", "study/b"]}
    assert found.refused == []


def test_a_damaged_run_is_told_and_the_others_are_shown(tmp_path: Path) -> None:
    write_run(tmp_path / "good")
    (write_run(tmp_path / "bad") / "results.json").write_text("{")
    (write_run(tmp_path / "list") / "results.json").write_text("[]")
    found = find_runs(tmp_path)
    assert set(found.runs) == {"good"}
    assert {line.partition(":")[0] for line in found.refused} == {"bad", "list"}


def test_a_run_of_an_older_version_has_the_names_of_today(tmp_path: Path) -> None:
    old = {"dataset": {"_target_": "handpose.data.freihand.FreiHand"}}
    (write_run(tmp_path / "old") / "config.json").write_text(json.dumps(old))
    dataset = find_runs(tmp_path).runs["old"].config["dataset"]
    assert dataset["_target_"] == "handpose.data.sources.freihand.FreiHand"


def test_links_to_outside_are_not_followed(tmp_path: Path) -> None:
    runs, outside = tmp_path / "runs", tmp_path / "outside"
    write_run(runs / "good")
    write_run(outside / "secret", secret=42.0)
    (outside / "secret" / "model.pt").write_bytes(b"weights")
    (runs / "linked").symlink_to(outside / "secret")
    tricked = write_run(runs / "tricked")
    (tricked / "results.json").unlink()
    (tricked / "results.json").symlink_to(outside / "secret" / "results.json")
    (runs / "good" / "model.pt").symlink_to(outside / "secret" / "model.pt")
    found = find_runs(runs)
    assert set(found.runs) == {"good"}
    assert len(found.refused) == 1
    assert "outside" in found.refused[0]
    with pytest.raises(ValueError, match="outside"):
        Evaluator(runs, [], [])(found.runs["good"])


@pytest.mark.parametrize(("make", "said"), [(False, "no such folder"), (True, "a file")])
def test_a_wrong_folder_is_told(tmp_path: Path, make: bool, said: str) -> None:
    if make:
        (tmp_path / "x").touch()
    with pytest.raises(ValueError, match=said):
        find_runs(tmp_path / "x")


def test_a_run_cannot_send_the_page_elsewhere_for_its_data(tmp_path: Path) -> None:
    given, other = tmp_path / "data", tmp_path / "other"
    given.mkdir()
    other.mkdir()

    def problems(root: Path | str) -> list[str]:
        return outside_problems(OmegaConf.create({"dataset": {"root": str(root)}}), [given])

    assert problems(given) == []
    assert len(problems(other)) == 1
    assert len(problems(given / ".." / "other")) == 1
