"""What a study runs, what it leaves alone, and what a failure does to the rest."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from handpose.study.comparisons import collect
from handpose.study.multiruns import describe_plan, hold, run_study, start_process
from handpose.study.run_grid import RunGrid
from handpose.study.status import Status
from handpose.study.study_file import Study, parse_study

Finish = Callable[..., None]


class FakeTrain:
    """Stands for train.py: makes the cells of a multirun, in order, as Hydra would.

    `fails` cells raise, and Hydra goes on; one of `kills` takes the whole process with it.
    """

    def __init__(self, folder: Path, fails: Sequence[str] = (), kills: Sequence[str] = ()) -> None:
        self.folder, self.fails, self.kills = folder, fails, kills
        self.commands: list[Sequence[str]] = []
        self.made: list[str] = []

    def __call__(self, arguments: Sequence[str]) -> int:
        self.commands.append(arguments)
        told = dict(line.split("=", 1) for line in arguments[1:])
        axes = ("head", "finetune.label_fraction", "seed")
        lists = [told[axis].split(",") if axis in told else [""] for axis in axes]
        code = 0
        for head, fraction, seed in product(*lists):
            folder = f"{told['hydra.sweep.dir']}/{told['hydra.sweep.subdir']}"
            values = {"seed": seed, "finetune.label_fraction": fraction}
            values |= {"hydra.runtime.choices.head": head, "paths.runs": "."}
            folder = re.sub(r"\$\{([^}]+)\}", lambda match, v=values: v[match[1]], folder)
            name = folder.removeprefix("./studies/small/")
            if name in self.kills:
                return -9
            code = self._make(name, told) or code
        return code

    def _make(self, name: str, told: dict[str, str]) -> int:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "train.log").write_text("begun")
        if name in self.fails:
            return 1
        epochs = float(told["finetune.max_epochs"])
        results = {"pa_epe_mm": epochs, "mean_pose_pa_epe_mm": 17.0}
        (folder / "results.json").write_text(json.dumps(results))
        self.made.append(name)
        return 0


def every_folder(progress: Status) -> list[str]:
    return [c.folder for stage in ("pretrain", "tune", "runs") for c in progress.cells(stage)]


def test_a_study_is_made_once_and_in_order(study: Study, tmp_path: Path) -> None:
    progress, train = Status(RunGrid(study), tmp_path), FakeTrain(tmp_path)
    assert run_study(progress, train) == []
    assert sorted(train.made) == sorted(every_folder(progress))
    stages = [name.split("/")[0] for name in train.made]
    assert stages == sorted(stages, key=["pretrain", "tune", "runs"].index)
    assert len(train.commands) == 1 + 4 + 2

    again = FakeTrain(tmp_path)
    assert run_study(Status(RunGrid(study), tmp_path), again) == []
    assert again.commands == []


def test_the_best_settings_on_the_validation_split_are_used(study: Study, tmp_path: Path) -> None:
    train = FakeTrain(tmp_path)  # the fewer epochs the better
    run_study(Status(RunGrid(study), tmp_path), train)
    final = [command for command in train.commands if "evaluate.split=val" not in command][1:]
    assert len(final) == 2
    assert all("finetune.max_epochs=4" in command for command in final)

    better_high = study.model_copy(update={"better": "higher"})
    train = FakeTrain(tmp_path / "other")
    run_study(Status(RunGrid(better_high), tmp_path / "other"), train)
    final = [command for command in train.commands if "evaluate.split=val" not in command][1:]
    assert all("finetune.max_epochs=16" in command for command in final)


def test_settings_are_chosen_for_each_arm_and_fraction(full: Status) -> None:
    chosen = {(c.arm, c.fraction): c.candidate for c in full.cells("runs")}
    assert chosen == {
        ("none", 0.05): "short",
        ("none", 1.0): "long",
        ("contrastive", 0.05): "long",
        ("contrastive", 1.0): "long",
    }


def test_an_interrupted_study_runs_what_is_missing_alone(full: Status, tmp_path: Path) -> None:
    missing = [
        "pretrain/contrastive/seed-15",
        "runs/none/regression/labels-0.05/seed-5",
        "runs/none/regression/labels-1.0/seed-25",
        "runs/contrastive/regression/labels-1.0/seed-15",
    ]
    for name in missing:
        (tmp_path / name / "results.json").unlink()
    (tmp_path / "runs/contrastive/regression/labels-0.05/seed-15/results.json").unlink()
    train = FakeTrain(tmp_path)
    assert run_study(full, train) == []
    assert sorted(train.made) == sorted(
        [*missing, "runs/contrastive/regression/labels-0.05/seed-15"]
    )
    final = train.commands[-1]
    assert {"finetune.label_fraction=0.05,1.0", "seed=15"} <= set(final)


def test_a_failed_cell_stops_those_that_need_it_and_no_others(study: Study, tmp_path: Path) -> None:
    progress = Status(RunGrid(study), tmp_path)
    train = FakeTrain(tmp_path, fails=["pretrain/contrastive/seed-15"])
    failures = {failure.folder: failure.reason for failure in run_study(progress, train)}
    assert failures == {
        "pretrain/contrastive/seed-15": "failed, exit code 1",
        **{
            f"runs/contrastive/regression/labels-{part}/seed-15": (
                "waits for pretrain/contrastive/seed-15"
            )
            for part in (0.05, 1.0)
        },
    }
    assert len(train.made) == len(every_folder(progress)) - 3


def test_no_settings_are_chosen_while_one_has_no_score(study: Study, tmp_path: Path) -> None:
    bad = "tune/none/long/regression/labels-1.0"
    train = FakeTrain(tmp_path, fails=[bad])
    failures = {f.folder: f.reason for f in run_study(Status(RunGrid(study), tmp_path), train)}
    waiting = "waits for the candidate for none, regression, labels 1.0: no pa_epe_mm of long"
    assert failures == {
        bad: "failed, exit code 1",
        **{f"runs/none/regression/labels-1.0/seed-{seed}": waiting for seed in study.seeds},
    }


def test_a_cell_that_kills_its_command_is_left_out_of_the_next(
    untuned: Study, tmp_path: Path
) -> None:
    killer = "runs/none/regression/labels-0.05/seed-15"
    train = FakeTrain(tmp_path, kills=[killer])
    failures = run_study(Status(RunGrid(untuned), tmp_path), train)
    assert [(failure.folder, failure.reason) for failure in failures] == [
        (killer, "failed, exit code -9")
    ]
    assert len(train.commands) < 10


def test_a_command_that_makes_nothing_does_not_run_for_ever(untuned: Study, tmp_path: Path) -> None:
    calls = []
    failures = run_study(
        Status(RunGrid(untuned), tmp_path), lambda command: calls.append(command) or 1
    )
    assert len(failures) == 3 + 2 * 2 * 3
    assert len(calls) == 3 + 2 * 3  # each cell that could start, once


def test_a_plan_says_what_is_done_and_runs_nothing(full: Status, tmp_path: Path) -> None:
    (tmp_path / "runs/none/regression/labels-1.0/seed-25/results.json").unlink()
    lines = describe_plan(full)
    assert lines[:3] == [
        "# pretrain: 4 of 4 finished, 0 to run",
        "# tune: 8 of 8 finished, 0 to run",
        "# runs: 11 of 12 finished, 1 to run",
    ]
    assert len(lines) == 4
    assert lines[3].startswith("python train.py -m dataset.num_train=40 finetune.max_epochs=16")
    assert "seed=25" in lines[3]
    assert "'hydra.sweep.subdir=${hydra.runtime.choices.head}/labels-" in lines[3]  # for a shell


def test_a_plan_without_scores_says_that_settings_are_to_come(study: Study, tmp_path: Path) -> None:
    lines = describe_plan(Status(RunGrid(study), tmp_path))
    assert lines.count("# and the overrides of the candidate that tune/ will choose:") == 2
    assert sum(line.startswith("python train.py -m") for line in lines) == 1 + 4 + 2


def test_a_study_in_use_is_refused(tmp_path: Path) -> None:
    with hold(tmp_path), pytest.raises(ValueError, match="in use by a live study"), hold(tmp_path):
        pass
    held = hold(tmp_path)
    with held:  # free again
        pass
    FileLock(tmp_path / ".lock").acquire(blocking=False)  # and again, with `held` still there


def test_a_real_process_is_printed_and_its_exit_code_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handpose.invocation._CLONE", tmp_path)
    script = tmp_path / "train.py"
    script.write_text("import sys; sys.exit(len(sys.argv) - 1)")
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert start_process()(["-m", "a=${b}"]) == 2
    finally:
        signal.signal(signal.SIGTERM, before)
    assert f"$ python {script} -m 'a=${{b}}'" in capsys.readouterr().out


def test_what_ends_the_study_ends_its_command(tmp_path: Path) -> None:
    script, root = tmp_path / "train.py", Path(__file__).resolve().parents[2]
    pid_file = tmp_path / "pid"
    script.write_text(
        f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    )
    study = (
        "from pathlib import Path; from handpose import invocation; "
        "from handpose.study.multiruns import start_process; "
        f"invocation._CLONE = Path({str(tmp_path)!r}); start_process()(['-m'])"
    )
    process = subprocess.Popen([sys.executable, "-c", study], cwd=root)
    deadline = time.monotonic() + 60
    while not (pid_file.exists() and pid_file.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.terminate()
    assert process.wait(timeout=30) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_the_choice_at_one_fraction_is_taken_at_the_others(
    content: dict[str, Any], tmp_path: Path, finish: Finish
) -> None:
    content["tune"]["fractions"] = [0.05]
    progress = Status(RunGrid(parse_study(content)), tmp_path)
    for cell in progress.cells("tune"):
        finish(cell, pa_epe_mm=9.0 if cell.candidate == "long" else 11.0)
    final = progress.cells("runs")
    assert {(c.fraction, c.candidate) for c in final} == {(0.05, "long"), (1.0, "long")}
    shown = {(key[0].fraction, s.is_chosen) for key, s in collect(progress, []).scores.items()}
    assert shown == {(0.05, True), (0.05, False)}
