"""scripts/evaluate.py on runs of train.py: its own dataset and others, and what it refuses."""

import json
import runpy
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from layouts import write_freihand
from layouts_ho3d import write_ho3d
from official_numbers import of_ho3d

from handpose.training.meters import TIMED

ROOT = Path(__file__).resolve().parents[2]
SCRIPT, TRAIN = ROOT / "scripts" / "evaluate.py", ROOT / "train.py"
Evaluate = Callable[..., dict]


@pytest.fixture
def evaluate(monkeypatch: pytest.MonkeyPatch) -> Evaluate:
    """evaluate(run_dir, *arguments, on="synthetic", drawn=False) -> what it wrote as JSON.

    Without `drawn`, the page has no figures, which take most of the time.
    """

    def run(run_dir: Path, *arguments: str, on: str = "synthetic", drawn: bool = False) -> dict:
        if not drawn:
            monkeypatch.setattr("handpose.pipeline.evaluate_run.make_figures", lambda report: {})
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(run_dir), *arguments])
        runpy.run_path(str(SCRIPT), run_name="__main__")
        folder = run_dir / "evaluations" / on
        assert f"evaluated on {on}" in (folder / "report.html").read_text()
        images = [file.read_bytes() for file in folder.glob("*.png")]
        assert all(image.startswith(b"\x89PNG") for image in images)
        assert bool(images) == drawn
        return json.loads((folder / f"evaluation-{on}.json").read_text())

    return run


@pytest.fixture(scope="module")
def trained(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run for all tests here."""
    run_dir = tmp_path_factory.mktemp("trained") / "run"
    choices = ["trainer=debug", "dataset.image_size=32", "objective=none", "report=false"]
    with pytest.MonkeyPatch.context() as patch:
        places = [f"paths.cache={cache}", f"hydra.run.dir={run_dir}"]
        patch.setattr(sys, "argv", [str(TRAIN), *choices, *places])
        runpy.run_path(str(TRAIN), run_name="__main__")
    return run_dir


@pytest.fixture
def run_dir(trained: Path, tmp_path: Path) -> Path:
    """A copy of it, somewhere else."""
    return Path(shutil.copytree(trained, tmp_path / "copied"))


@pytest.fixture
def freihand(tmp_path: Path) -> Path:
    write_freihand(tmp_path / "data" / "freihand", annotations=10)
    return tmp_path / "data"


def test_its_own_dataset_again_gives_its_own_numbers(run_dir: Path, evaluate: Evaluate) -> None:
    before = {path: path.read_bytes() for path in run_dir.iterdir() if path.is_file()}
    found = evaluate(run_dir, drawn=True)
    own = json.loads((run_dir / "results.json").read_text())
    assert found["pa_epe_mm"] == own["pa_epe_mm"]
    came, of_run = found["provenance"], own["provenance"]
    assert came["data"]["evaluate"]["test"] == of_run["data"]["finetune"]["test"]
    assert "evaluate.py" in came["sessions"][0]["command"]
    ignored = ("evaluate_seconds", "provenance", *TIMED)
    shared = {name for name in set(found) & set(own) if not name.endswith(ignored)}
    assert len(shared) > 20
    assert {name: found[name] for name in shared} == {name: own[name] for name in shared}
    assert all(path.read_bytes() == content for path, content in before.items())


def test_a_run_that_cannot_be_written_is_said_before_the_work(
    run_dir: Path, evaluate: Evaluate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run_dir / "evaluations").write_text("a file where the folder belongs, as nobody may write")
    with monkeypatch.context() as patch:
        patch.setattr("handpose.pipeline.evaluate_run.evaluate_finished", lambda *a, **k: 1 / 0)
        with pytest.raises(SystemExit, match=r"evaluate\.py: --to=.*evaluations is a file"):
            evaluate(run_dir)
        with pytest.raises(SystemExit, match=r"evaluate\.py: --submission="):
            evaluate(run_dir, "--to", str(tmp_path), "--submission", f"{run_dir}/config.json/x.zip")
    with pytest.raises(NotADirectoryError):  # looked for in the run, where it does not lie
        evaluate(run_dir, "--to", str(tmp_path / "there"))
    own = json.loads((run_dir / "results.json").read_text())
    there = tmp_path / "there" / "synthetic" / "evaluation-synthetic.json"
    assert json.loads(there.read_text())["pa_epe_mm"] == own["pa_epe_mm"]


def test_the_validation_split_where_it_is_asked_for(run_dir: Path, evaluate: Evaluate) -> None:
    found = evaluate(run_dir, "evaluate.split=val", on="synthetic-val")
    own = json.loads((run_dir / "results.json").read_text())
    assert found["split"] == "val"
    assert found["pa_epe_mm"] != own["pa_epe_mm"]


def test_freihand_in_two_passes_with_a_submission(
    run_dir: Path, evaluate: Evaluate, freihand: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.zip"
    options = ["--passes", "2", "--submission", str(out), "--any-length"]
    found = evaluate(run_dir, "dataset=freihand", f"paths.data={freihand}", *options, on="freihand")
    assert found["n_test"] == 4
    for name in ("pa_epe_mm", "pa_with_reflection_epe_mm", "auc_pa_50mm", "epe2d_px"):
        assert found[name] >= 0
        assert found[f"second_pass_{name}"] >= 0
    assert found["mean_pose_pa_epe_mm"] > 0, "of FreiHAND's own training hands"
    with zipfile.ZipFile(out) as file:
        xyz, verts = json.loads(file.read("pred.json"))
    scale = json.loads((freihand / "freihand" / "evaluation_scale.json").read_text())
    hands = np.array(xyz)
    assert hands.shape == (4, 21, 3)
    assert np.array(verts).shape == (4, 778, 3)
    bones = np.linalg.norm(hands[:, 10] - hands[:, 9], axis=1)
    assert (bones < np.array(scale) + 1e-5).all(), "equal, but for collapsed hands"


def test_freihand_without_its_evaluation_labels(
    run_dir: Path, evaluate: Evaluate, freihand: Path, tmp_path: Path
) -> None:
    (freihand / "freihand" / "evaluation_xyz.json").unlink()
    options = [f"paths.data={freihand}", "--any-length", "--submission", str(tmp_path / "out.zip")]
    found = evaluate(run_dir, "dataset=freihand", *options, on="freihand")
    for name in ("pa_epe_mm", "epe2d_px"):
        assert found[name] is None
        assert "no sample" in found[f"{name}_reason"]
    assert (tmp_path / "out.zip").exists()


def test_ho3d_s_own_numbers_are_those_of_the_submission(
    run_dir: Path, evaluate: Evaluate, tmp_path: Path
) -> None:
    write_ho3d(tmp_path / "ho3d", version="v3", frames=2)
    out = tmp_path / "out.zip"
    options = [f"paths.data={tmp_path}", "--any-length", "--submission", str(out)]
    found = evaluate(run_dir, "dataset=ho3d", *options, on="ho3d")
    with zipfile.ZipFile(out) as file:
        predicted, verts = json.loads(file.read("pred.json"))
    true = json.loads((tmp_path / "ho3d/evaluation_xyz.json").read_text())
    assert np.array(verts).shape == (4, 778, 3)
    assert (np.array(predicted)[:, 0, 2] < 0).all(), "along negative z"
    official = of_ho3d((np.array(t), np.array(p)) for t, p in zip(true, predicted, strict=True))
    for number, name in (
        ("absolute", "epe3d_camera_root_depth_granted_mm"),
        ("scale-translation", "epe3d_root_relative_middle_bone_granted_mm"),
        ("procrustes", "pa_with_reflection_epe_mm"),
    ):
        assert found[name] == pytest.approx(1000 * official[number][0], rel=1e-3)
    (tmp_path / "ho3d/evaluation_xyz.json").unlink()
    without = evaluate(run_dir, "dataset=ho3d", *options, on="ho3d")
    assert without["pa_epe_mm"] is None
    assert without["epe3d_camera_root_depth_granted_mm"] is None
    with zipfile.ZipFile(out) as file:
        assert np.allclose(json.loads(file.read("pred.json"))[0], predicted, atol=1e-5)


def test_labels_in_2d_alone(run_dir: Path, evaluate: Evaluate, real_samples: Path) -> None:
    data = f"paths.data={real_samples}"
    found = evaluate(run_dir, "dataset=mpii", data, on="mpii-val", drawn=True)
    assert found["split"] == "val", "debug takes what there is"
    assert 0 <= found["pck2d_at_20pct_of_joint_box"] <= 1
    assert found["pa_epe_mm"] is None
    assert (run_dir / "evaluations" / "mpii-val" / "pck2d.png").exists()


def test_interhand(run_dir: Path, evaluate: Evaluate, real_samples: Path) -> None:
    options = ["dataset=interhand", f"paths.data={real_samples}", "--passes", "2"]
    found = evaluate(run_dir, *options, on="interhand-train")
    assert found["n_test"] == 2
    assert found["mpjpe_both_sides_bone_granted_mm"] > 0
    assert found["mpjpe_both_sides_root_depth_granted_mm"] > 0


def test_youtube_in_px_of_its_pictures(run_dir: Path, evaluate: Evaluate, tmp_path: Path) -> None:
    import layouts

    regressor = layouts.write_youtube(tmp_path / "youtube")
    options = [f"paths.data={tmp_path}", f"dataset.joint_regressor={regressor}"]
    found = evaluate(run_dir, "dataset=youtube", *options, on="youtube")
    assert found["pa_epe_weak_perspective_px"] > 0
    assert found["epe2d_px"] > 0
    assert found["pa_epe_mm"] is None


def test_a_moved_dataset_is_found_by_its_folder(
    train: Callable[..., Path], evaluate: Evaluate, freihand: Path, tmp_path: Path
) -> None:
    run_dir = train("objective=none", "dataset=freihand", f"paths.data={freihand}")
    shutil.move(freihand, tmp_path / "elsewhere")
    found = evaluate(run_dir, f"paths.data={tmp_path / 'elsewhere'}", on="freihand")
    own = json.loads((run_dir / "results.json").read_text())
    assert found["pa_epe_mm"] == own["pa_epe_mm"]


REFUSED = {
    ("dataset=freihnd",): "did you mean freihand?",
    ("dataset.rooot=x",): "did you mean dataset.root?",
    ("backbone=resnet50",): "cannot be changed in an evaluation",
    ("hydra.run.dir=x",): "cannot be changed in an evaluation",
    ("dataset=freihand,mpii",): "several values",
    ("dataset=freihand", "dataset.root=nowhere"): "no such directory",
    ("--submission", "out.zip"): "not synthetic",
}


def test_what_cannot_be_evaluated_is_refused_in_words(
    run_dir: Path, evaluate: Evaluate, capsys: pytest.CaptureFixture
) -> None:
    for arguments, said in REFUSED.items():
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            evaluate(run_dir, *arguments)
        assert said in capsys.readouterr().err + str(ended.value.code)
    assert not (run_dir / "evaluations").exists()


@pytest.mark.parametrize("lacking", ["config.json", "results.json", "model.pt", None])
def test_a_run_that_is_missing_or_unfinished_is_refused(
    tmp_path: Path, evaluate: Evaluate, lacking: str | None
) -> None:
    run_dir = tmp_path / "run"
    if lacking:
        run_dir.mkdir()
        for name in {"config.json", "results.json", "model.pt"} - {lacking}:
            (run_dir / name).write_text("{}")
    with pytest.raises(SystemExit) as ended:
        evaluate(run_dir)
    assert str(ended.value.code).startswith(f"{run_dir}: ")
    assert "\n" not in str(ended.value.code)
