"""`python scripts/doctor.py`: exit codes, files, and a quarantine that a training takes."""

import json
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra
from layouts import write_folder, write_freihand

from handpose.config import check_command_line

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "doctor.py"
FEW = [f"num_{split}=4" for split in ("train", "val", "test")] + ["render_size=48"]


@pytest.fixture
def doctor(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., int]]:
    """doctor(*arguments) -> its exit code, done as `python scripts/doctor.py` does it."""

    def run(*arguments: str) -> int:
        line = [str(SCRIPT), *arguments, f"paths.cache={cache}", "--out", str(tmp_path / "out")]
        monkeypatch.setattr(sys, "argv", line)
        GlobalHydra.instance().clear()
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(str(SCRIPT), run_name="__main__")
        assert stopped.value.code in (0, 1)
        return int(stopped.value.code or 0)

    yield run
    GlobalHydra.instance().clear()


@pytest.fixture
def content(tmp_path: Path) -> Callable[[], dict]:
    """What doctor.json says."""
    return lambda: json.loads((tmp_path / "out" / "doctor.json").read_text())


@pytest.fixture
def freihand(tmp_path: Path) -> Path:
    write_freihand(tmp_path / "freihand", annotations=10, versions=2)
    return tmp_path / "freihand"


def test_healthy_data(doctor: Callable, content: Callable, freihand: Path, tmp_path: Path) -> None:
    assert doctor("dataset=freihand", f"paths.data={tmp_path}") == 0
    assert content()["ready"]
    assert (tmp_path / "out" / "doctor.html").stat().st_size > 20_000


def test_bad_files_are_listed_and_a_training_can_go_without_them(
    doctor: Callable,
    content: Callable,
    freihand: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (freihand / "training" / "rgb" / "00000004.jpg").write_bytes(b"")
    data, listed = ["dataset=freihand", f"paths.data={tmp_path}"], tmp_path / "bad.csv"
    assert doctor(*data) == 1
    shown = capsys.readouterr().out
    assert "training/rgb/00000004.jpg" in shown
    assert "--quarantine" in shown
    (finding,) = content()["datasets"]["dataset"]["dataset"]["findings"]
    assert finding["file"] == "training/rgb/00000004.jpg"
    assert doctor(*data, "--quarantine", str(listed)) == 0
    assert f"dataset.quarantine={listed}" in capsys.readouterr().out
    assert doctor(*data, f"dataset.quarantine={listed}") == 0


def test_a_cut_annotation_file_is_told_without_a_traceback(
    content: Callable, freihand: Path, tmp_path: Path, cache: Path
) -> None:
    path = freihand / "training_xyz.json"
    path.write_text(path.read_text()[:-100])
    arguments = ["dataset=freihand", f"paths.data={tmp_path}", f"paths.cache={cache}"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments, "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"download {path} again" in done.stdout
    assert "Traceback" not in done.stderr
    assert content()["advice"][0]["blocks"]
    assert "training_xyz.json" in (tmp_path / "out" / "doctor.html").read_text()


@pytest.mark.parametrize(
    "wrong", ["dataset=freihnd", "dataset.rot=x", "dataset.num_train=some", "dataset=freihand,mpii"]
)
def test_a_wrong_override_is_refused_as_train_refuses_it(
    wrong: str, doctor: Callable, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor(wrong) == 1
    refusal = capsys.readouterr().err
    with pytest.raises(SystemExit):
        check_command_line([wrong, f"paths.cache={cache}"])
    assert refusal == capsys.readouterr().err
    assert "Nothing was started" in refusal


def test_a_source_without_files(doctor: Callable, content: Callable) -> None:
    assert doctor(*(f"dataset.{setting}" for setting in FEW)) == 0
    (source,) = content()["datasets"]["dataset"].values()
    assert [split["hands"] for split in source["splits"]] == [4, 4, 4]


def test_each_source_of_a_mix(
    doctor: Callable, content: Callable, freihand: Path, tmp_path: Path
) -> None:
    (freihand / "training" / "rgb" / "00000004.jpg").write_bytes(b"")
    few = [f"dataset.parts.synthetic.{setting}" for setting in FEW]
    mix = ["dataset=mix", "dataset.sources=[synthetic,freihand]", f"paths.data={tmp_path}", *few]
    assert doctor(*mix) == 1
    found = content()["datasets"]["dataset"]
    assert list(found) == ["dataset.parts.synthetic", "dataset.parts.freihand"]
    assert len(found["dataset.parts.freihand"]["findings"]) == 1
    listed = tmp_path / "bad.csv"
    assert doctor(*mix, "--quarantine", str(listed)) == 0
    assert doctor(*mix, f"dataset.parts.freihand.quarantine={listed}") == 0


def test_stages_with_datasets_of_their_own(
    doctor: Callable, content: Callable, freihand: Path, tmp_path: Path
) -> None:
    few = [f"dataset.{setting}" for setting in FEW]
    own = ["dataset@pretrain.dataset=freihand", f"pretrain.dataset.root={freihand}"]
    assert doctor(*few, *own) == 0
    assert set(content()["datasets"]) == {"dataset", "pretrain.dataset"}


def test_a_folder_of_pictures(
    doctor: Callable,
    content: Callable,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_folder(tmp_path / "hands")
    (tmp_path / "hands" / "day0" / "bad.jpg").write_bytes(b"")
    data = ["dataset=folder", f"dataset.root={tmp_path / 'hands'}", "head=none"]
    assert doctor(*data) == 0  # what is bad is left out unasked
    shown = capsys.readouterr().out
    assert "day0/bad.jpg" in shown
    assert "1 bad file or record left out; training skips them" in shown
    assert "images found: 25" in shown
    assert caplog.text.count("left out are") == 1, "once, not for each split"
    (source,) = content()["datasets"]["dataset"].values()
    assert sum(split["hands"] for split in source["splits"]) == 24
    (tmp_path / "hands" / "boxes.csv").write_text("image\nnowhere.jpg\n")
    assert doctor(*data, "dataset.boxes=boxes.csv") == 1
    assert "there is no image nowhere.jpg" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("dataset", "hands", "left", "words"),
    [
        ("freihand", 8, 0, "evaluate.split=val"),
        ("interhand", 2, 1, "images of interacting hands, left out: 2"),
        ("mpii", 4, 2, "labels to crop"),
    ],
)
def test_the_real_samples(
    dataset: str,
    hands: int,
    left: int,
    words: str,
    doctor: Callable,
    content: Callable,
    real_samples: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = [f"dataset={dataset}", f"paths.data={real_samples}"]
    assert doctor(*data) == 1  # a split is not there
    assert words in capsys.readouterr().out
    (source,) = content()["datasets"]["dataset"].values()
    splits = source["splits"]
    assert sum(split["hands"] for split in splits) == hands
    assert sum(split["left"] for split in splits) == left
    assert all(split["measures"]["in_box"] == 1 for split in splits)
    assert doctor(*data, "trainer=debug") == 0
