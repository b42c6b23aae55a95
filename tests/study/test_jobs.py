"""Several single runs at once: order, threads, failures, the deadline, and what stops them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from handpose.distributed.processes import num_cores
from handpose.study import jobs as several
from handpose.study.child_processes import environment, start_interpreter
from handpose.study.jobs import OUTPUT, Outcome, describe_jobs, refuse_launcher, single_run
from handpose.study.run_grid import STAGES, RunGrid
from handpose.study.status import Status
from handpose.study.study_file import Study

ROOT = Path(__file__).resolve().parents[2]
# Stands for train.py: a single run that logs its start and end, and saves its state at SIGTERM.
FAKE_TRAIN = """
import json, os, signal, sys, time
root = {root!r}
told = dict(line.split("=", 1) for line in sys.argv[1:])
name = told["hydra.run.dir"].removeprefix("${{paths.runs}}/studies/small/")
folder = os.path.join(root, name)

def log(event):
    with open(os.path.join(root, "log"), "a") as file:
        file.write(json.dumps([event, name, time.monotonic(), os.getpid(), told,
                               os.environ.get("OMP_NUM_THREADS")]) + "\\n")

def stop(*_):
    log("saved")
    sys.exit(143)

signal.signal(signal.SIGTERM, stop)
log("start")
print("told", *sys.argv[1:])
behaviour = json.load(open(os.path.join(root, "behaviour.json")))
time.sleep(behaviour.get("sleep", 0))
if name in behaviour.get("fails", ()):
    sys.exit("no such image")
epochs = float(told["finetune.max_epochs"])
with open(os.path.join(folder, "results.json"), "w") as file:
    json.dump({{"pa_epe_mm": epochs, "mean_pose_pa_epe_mm": 17.0}}, file)
log("end")
"""


def run_jobs(status: Status, **settings: Any) -> Outcome:
    """With a new interpreter for each run, as the fake train.py needs."""
    return several.run_jobs(status, partial(start_interpreter, {}), **settings)


@pytest.fixture(autouse=True)
def fake_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "train.py").write_text(FAKE_TRAIN.format(root=str(tmp_path)))
    monkeypatch.setattr("handpose.invocation._CLONE", clone)
    behave(tmp_path)


def behave(folder: Path, **behaviour: Any) -> None:
    (folder / "behaviour.json").write_text(json.dumps(behaviour))


def events(folder: Path, kind: str) -> list[list[Any]]:
    lines = (folder / "log").read_text().splitlines() if (folder / "log").exists() else []
    return [record for line in lines if (record := json.loads(line))[0] == kind]


def names(folder: Path, kind: str) -> list[str]:
    return [record[1] for record in events(folder, kind)]


def test_a_study_is_made_once_two_at_a_time(untuned: Study, tmp_path: Path) -> None:
    behave(tmp_path, sleep=0.2)
    status, said = Status(RunGrid(untuned), tmp_path), list[str]()
    outcome = run_jobs(status, jobs=2, say=said.append)
    assert outcome == ([], False)
    every = [c.folder for stage in ("pretrain", "runs") for c in status.cells(stage)]
    assert sorted(names(tmp_path, "end")) == sorted(every)
    marks = [(r[2], 1) for r in events(tmp_path, "start")]
    marks += [(r[2], -1) for r in events(tmp_path, "end")]
    running = [sum(step for when, step in marks if when <= now) for now, _ in sorted(marks)]
    assert len(running) == 30
    assert max(running) == 2
    assert sum(line.startswith("finished") for line in said) == 15
    assert said[0].startswith("15 runs left, 2 at once")
    assert said[-1].endswith(", 0 left")

    again = run_jobs(Status(RunGrid(untuned), tmp_path), jobs=2, say=said.append)
    assert again == ([], False)
    assert len(names(tmp_path, "start")) == 15


def test_runs_get_the_overrides_and_folders_of_the_multiruns(study: Study, tmp_path: Path) -> None:
    status = Status(RunGrid(study), tmp_path)
    run_jobs(status, jobs=3, say=lambda line: None)
    told = {record[1]: record[4] for record in events(tmp_path, "end")}
    final = told["runs/contrastive/regression/labels-1.0/seed-15"]
    assert final["finetune.max_epochs"] == "4"  # the better candidate
    assert (final["seed"], final["head"], final["sweep"]) == ("15", "regression", "small")
    assert final["backbone.weights"].endswith("/pretrain/contrastive/seed-${seed}/backbone.pt")
    assert told["tune/none/long/regression/labels-0.05"]["evaluate.split"] == "val"
    output = tmp_path / "runs/none/regression/labels-0.05/seed-5" / OUTPUT
    assert output.read_text().startswith("told dataset.num_train=40")


def test_a_failure_stops_the_runs_that_need_it_and_no_others(
    untuned: Study, tmp_path: Path
) -> None:
    behave(tmp_path, fails=["pretrain/contrastive/seed-15"])
    status, said = Status(RunGrid(untuned), tmp_path), list[str]()
    outcome = run_jobs(status, jobs=2, say=said.append)
    reasons = {failure.folder: failure.reason for failure in outcome.failures}
    output = tmp_path / "pretrain/contrastive/seed-15" / OUTPUT
    assert reasons.pop("pretrain/contrastive/seed-15") == f"failed, exit code 1; see {output}"
    assert set(reasons.values()) == {"waits for pretrain/contrastive/seed-15"}
    assert len(reasons) == 2
    assert not outcome.is_stopped
    assert len(names(tmp_path, "end")) == 3 + 12 - 3
    assert names(tmp_path, "start").count("pretrain/contrastive/seed-15") == 1
    (line,) = [line for line in said if line.startswith("FAILED")]
    assert "exit code 1: no such image" in line
    behave(tmp_path)
    assert run_jobs(Status(RunGrid(untuned), tmp_path), jobs=2).failures == []
    assert len(names(tmp_path, "end")) == 3 + 12


@pytest.mark.slow
def test_after_the_minutes_all_runs_save_and_the_next_start_runs_the_rest(
    untuned: Study, tmp_path: Path
) -> None:
    behave(tmp_path, sleep=60)
    status, said = Status(RunGrid(untuned), tmp_path), list[str]()
    outcome = run_jobs(status, jobs=3, minutes=1.5 / 60, say=said.append)
    assert outcome.is_stopped
    first = names(tmp_path, "start")
    assert 0 < len(first) <= 3
    assert sorted(first) == sorted(names(tmp_path, "saved"))
    reasons = {failure.folder: failure.reason for failure in outcome.failures}
    assert len(reasons) == 15
    assert all(reasons[name] == "stopped; the same command resumes it" for name in first)
    assert said[-1] == "stopping 3 runs, which save their state"
    behave(tmp_path)
    assert run_jobs(Status(RunGrid(untuned), tmp_path), jobs=3) == ([], False)
    assert len(names(tmp_path, "end")) == 15


def test_a_study_whose_last_runs_end_while_they_are_stopped_is_finished(
    untuned: Study, tmp_path: Path
) -> None:
    """Else there would be no page, and nothing left to run."""
    status = Status(RunGrid(untuned), tmp_path)
    for cell in [cell for stage in STAGES for cell in status.cells(stage)][:-1]:
        (tmp_path / cell.folder).mkdir(parents=True)
        (tmp_path / cell.folder / "results.json").write_text("{}")
    script = tmp_path / "clone" / "train.py"
    script.write_text(FAKE_TRAIN.format(root=str(tmp_path)).replace("sys.exit(143)", "pass"))
    behave(tmp_path, sleep=0.5)

    def launch(arguments: Sequence[str], output: Path) -> subprocess.Popen:
        process = start_interpreter({}, arguments, output)
        while not names(tmp_path, "start"):
            time.sleep(0.02)
        return process

    outcome = several.run_jobs(Status(RunGrid(untuned), tmp_path), launch, jobs=2, minutes=1e-6)
    assert names(tmp_path, "saved") == names(tmp_path, "end") != []
    assert outcome == Outcome([], is_stopped=False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_ends_the_study_lets_its_runs_save(
    untuned: Study, tmp_path: Path, number: signal.Signals
) -> None:
    behave(tmp_path, sleep=60)
    content = untuned.model_dump(mode="json")
    program = (
        "import json, signal; from pathlib import Path; from handpose import invocation\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job ignores it
        "from functools import partial\n"
        "from handpose.study.child_processes import start_interpreter\n"
        "from handpose.study.jobs import run_jobs\n"
        "from handpose.study.run_grid import RunGrid\n"
        "from handpose.study.status import Status; from handpose.study.study_file import Study\n"
        f"folder = Path({str(tmp_path)!r}); invocation._CLONE = folder / 'clone'\n"
        f"study = Study.model_validate(json.loads({json.dumps(content)!r}))\n"
        "run_jobs(Status(RunGrid(study), folder), partial(start_interpreter, {}), jobs=2)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    deadline = time.monotonic() + 60
    while len(names(tmp_path, "start")) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    code = process.wait(timeout=120)
    assert code == (143 if number == signal.SIGTERM else -signal.SIGINT)
    assert sorted(names(tmp_path, "saved")) == sorted(names(tmp_path, "start"))
    for record in events(tmp_path, "start"):
        with pytest.raises(ProcessLookupError):
            os.kill(record[3], 0)


def test_a_run_that_does_not_save_in_time_is_killed(
    untuned: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "clone" / "train.py"
    ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    script.write_text(ignore)
    monkeypatch.setattr("handpose.study.jobs.GRACE", 0.3)
    start = time.monotonic()
    outcome = run_jobs(Status(RunGrid(untuned), tmp_path), jobs=2, minutes=0.5 / 60)
    assert outcome.is_stopped
    assert time.monotonic() - start < 20


def test_the_cores_are_shared_unless_the_user_has_set_the_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert environment(1)["OMP_NUM_THREADS"] == str(num_cores())
    assert environment(10**6)["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert "OMP_NUM_THREADS" not in environment(2)


def test_launchers_are_refused_except_that_of_slurm() -> None:
    refuse_launcher(["trainer=cpu"])
    with pytest.raises(ValueError, match=r"hydra/launcher=joblib: --jobs starts the runs itself"):
        refuse_launcher(["trainer=cpu", "hydra/launcher=joblib"])
    slurm = ["hydra/launcher=slurm", "hydra.launcher.partition=gpu"]
    refuse_launcher(slurm)
    with pytest.raises(ValueError, match="--minutes does not stop Slurm jobs; leave it out"):
        refuse_launcher(slurm, minutes=5.0)


def test_a_slurm_job_is_a_multirun_of_one_run_in_the_same_folder(
    untuned: Study, tmp_path: Path
) -> None:
    status = Status(RunGrid(untuned, ["hydra/launcher=slurm"]), tmp_path)
    cell = status.cells("runs")[-1]
    command = single_run(status, cell)
    told = dict(line.split("=", 1) for line in command[1:])
    assert command[0] == "-m"
    assert told["hydra/launcher"] == "slurm"
    assert "hydra.run.dir" not in told
    folder = f"{told['hydra.sweep.dir']}/{told['hydra.sweep.subdir']}"
    for name in ("head", "finetune.label_fraction", "seed"):
        folder = folder.replace(f"${{{name}}}", told[name])
    folder = folder.replace("${hydra.runtime.choices.head}", told["head"])
    assert folder == f"${{paths.runs}}/studies/small/{cell.folder}"


def test_a_failed_slurm_job_is_reported_with_what_it_said(untuned: Study, tmp_path: Path) -> None:
    """The fake train.py takes no multirun, as a driver fails whose job has failed."""
    status, said = Status(RunGrid(untuned, ["hydra/launcher=slurm"]), tmp_path), list[str]()
    reason = tmp_path / "pretrain/contrastive/seed-5/failure.txt"
    reason.parent.mkdir(parents=True)
    reason.write_text("Traceback ...\nValueError: no such image\n")
    run_jobs(status, jobs=3, say=said.append)
    (line,) = [line for line in said if line.startswith("FAILED    pretrain/contrastive/seed-5:")]
    assert line.endswith(f"exit code 1: ValueError: no such image\n  see {reason}")


def test_a_plan_lists_the_single_runs_by_priority(full: Status, tmp_path: Path) -> None:
    assert describe_jobs(full) == ["# 0 single runs to start, in this order"]
    (tmp_path / "runs/none/regression/labels-1.0/seed-25/results.json").unlink()
    (header, command) = describe_jobs(full)
    assert header == "# 1 single runs to start, in this order"
    assert "finetune.max_epochs=16" in command  # the chosen candidate
    assert "'hydra.run.dir=${paths.runs}/studies/small/runs/none/regression/" in command
