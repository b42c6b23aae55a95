"""`python scripts/study.py` on the real train.py: made once, resumed, reported, and refused."""

import json
import re
import runpy
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra

ROOT = Path(__file__).resolve().parents[2]
CONTENT = {
    "name": "tiny",
    "question": "Does a tiny pre-training help?",
    "metric": "pa_epe_mm",
    "better": "lower",
    "baseline": "none",
    "constant": "mean_pose_pa_epe_mm",
    "seeds": [5, 15],
    "heads": ["regression"],
    "fractions": [1.0],
    "common": ["trainer=debug", "trainer.caps.samples=16", "dataset.image_size=32", "report=false"],
    "pretrain": {"arms": {"none": None, "contrastive": ["objective=contrastive"]}},
}
SCRIPT = ROOT / "scripts" / "study.py"
Run = Callable[..., tuple[int | str, str]]


@pytest.fixture
def run_study(
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Iterator[Run]:
    """run_study(*arguments, **changes of the file) -> exit code or message, and what it printed."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.chdir(ROOT)

    def run(*arguments: str, **changes: object) -> tuple[int | str, str]:
        (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(CONTENT | changes))
        places = [f"paths.runs={tmp_path / 'runs'}", f"paths.cache={cache}"]
        line = [str(SCRIPT), str(tmp_path / "tiny.yaml"), *places, *arguments]
        monkeypatch.setattr(sys, "argv", line)
        GlobalHydra.instance().clear()
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit_:
            runpy.run_path(str(SCRIPT), run_name="__main__")
        output = capfd.readouterr()
        return exit_.value.code, output.out + output.err

    yield run
    signal.signal(signal.SIGTERM, before)
    GlobalHydra.instance().clear()


def stamps(folder: Path) -> dict[Path, int]:
    """When each file of the runs was written; the study's own are written anew each time."""
    return {path: path.stat().st_mtime_ns for path in folder.glob("*/**/*") if path.is_file()}


@pytest.mark.slow
def test_a_study_is_made_once_and_its_arms_share_nothing_but_the_seed(
    run_study: Run, tmp_path: Path
) -> None:
    code, text = run_study("--plan")
    assert code == 0
    commands = [line for line in text.splitlines() if line.startswith("python train.py -m")]
    assert len(commands) == 3
    folder = tmp_path / "runs" / "studies" / "tiny"
    assert not folder.exists()

    code, text = run_study()
    assert code == 0, text[-5000:]
    assert [line[2:] for line in text.splitlines() if line.startswith("$ ")] == commands
    found = json.loads((folder / "study.json").read_text())
    assert found["finished"] == {"pretrain": [2, 2], "tune": [0, 0], "runs": [4, 4]}
    values = {(v["arm"], v["seed"]): v["value"] for v in found["values"]}
    assert len(set(values.values())) == len(values) == 4
    for (arm, seed), value in values.items():
        run = folder / f"runs/{arm}/regression/labels-1.0/seed-{seed}"
        assert json.loads((run / "results.json").read_text())["pa_epe_mm"] == value
        config = json.loads((run / "config.json").read_text())
        weights = str(folder / f"pretrain/contrastive/seed-{seed}/backbone.pt")
        assert config["backbone"]["weights"] == (weights if arm == "contrastive" else None)
        assert (config["seed"], config["objective"]["_target_"]) == (seed, None)
        assert f'value="{value}"' in (folder / "study.html").read_text()
    assert "`contrastive`" in (folder / "table.md").read_text()
    cost = next(one for one in found["costs"] if one["arm"] == "contrastive")
    assert (cost["pretraining_images"], cost["finetuning_images"]) == (16 * 2, 16)
    assert [one["runs"] for one in found["environments"]] == [2 + 4]

    code, text = run_study("--from", str(folder / "study_results.json"), "--out", str(folder / "x"))
    assert code == 0, text
    assert (folder / "x" / "study.html").read_bytes() == (folder / "study.html").read_bytes()
    shutil.rmtree(folder / "x")

    before = stamps(folder)
    code, text = run_study()
    assert code == 0, text
    assert "$ python" not in text
    assert "4 of 4 final runs finished" in text
    assert stamps(folder) == before

    code, text = run_study(common=[*CONTENT["common"], "finetune.batch_size=6"])
    assert "finetune.batch_size: 16 -> 6" in str(code)
    assert "$ python" not in text
    assert stamps(folder) == before


def test_a_study_that_cannot_run_is_refused_before_anything_is_made(
    run_study: Run, tmp_path: Path
) -> None:
    code, text = run_study(finetune={"common": ["finetune.max_epoch=3"]})
    assert code == 1
    assert "finetune.max_epoch: no such key; did you mean finetune.max_epochs?" in text
    assert "seed is set by seeds of the study" in str(run_study("seed=7")[0])
    message = "metric: pa_epe: train.py has no such result; did you mean pa_epe_mm?"
    assert message in str(run_study(metric="pa_epe")[0])
    assert "better: Input should be 'lower' or 'higher'" in str(run_study(better="up")[0])
    assert "leave one of them out" in str(run_study("--jobs", "2", "hydra/launcher=joblib")[0])
    for wrong in (["--minutes", "3"], ["--jobs", "0"], ["--jobs", "2", "--minutes", "nan"]):
        assert run_study(*wrong)[0] == 2
    assert not (tmp_path / "runs").exists()


def test_an_unknown_study_is_refused_with_the_nearest_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "invariance_vs_equivarance"])
    with pytest.raises(SystemExit, match=r"did you mean invariance_vs_equivariance\?"):
        runpy.run_path(str(SCRIPT), run_name="__main__")


@pytest.mark.slow
def test_a_study_with_tuning_is_whole(run_study: Run, tmp_path: Path) -> None:
    """The chosen settings reach the final runs, which are of the test split.

    The runs are single ones, two at once; a multirun then has nothing to do.
    """
    candidates = {"slow": ["optimizer.lr=1.0e-5"], "fast": ["optimizer.lr=1.0e-3"]}
    tune = {"seed": 1005, "candidates": candidates}
    code, text = run_study("--jobs", "2", "--minutes", "0.001", tune=tune)
    assert code == 1
    assert " minutes are over, 11 runs are left." in text
    code, text = run_study("--jobs", "2", tune=tune)
    assert code == 0, text[-5000:]
    assert len(re.findall(r"^[0-9:]{8}  finished  \S+: 0:00:[0-9]{2}, \d+ left$", text, re.M)) == 11
    folder = tmp_path / "runs" / "studies" / "tiny"
    before = stamps(folder)
    code, text = run_study(tune=tune)
    assert "$ python" not in text
    assert stamps(folder) == before
    found = json.loads((folder / "study.json").read_text())
    assert found["finished"] == {"pretrain": [3, 3], "tune": [4, 4], "runs": [4, 4]}
    chosen = {s["arm"]: s["candidate"] for s in found["scores"] if s["is_chosen"]}
    for value in found["values"]:
        run = folder / f"runs/{value['arm']}/regression/labels-1.0/seed-{value['seed']}"
        config = json.loads((run / "config.json").read_text())
        rate = {"slow": 1e-5, "fast": 1e-3}[chosen[value["arm"]]]
        assert config["optimizer"]["lr"] == rate
        assert config["evaluate"]["split"] == "test"
    tried = json.loads((folder / "tune/none/fast/regression/labels-1.0/config.json").read_text())
    assert (tried["evaluate"]["split"], tried["seed"]) == ("val", 1005)
