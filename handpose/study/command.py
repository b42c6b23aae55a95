"""Run a study: one of handpose/study/definitions, or your own YAML file.

It pre-trains each arm, chooses settings on the validation split, fine-tunes, and compares the arms
with intervals.
KEY=VALUE applies to every run, as for train.py (also hydra/launcher=...). Finished runs are not run
again: after a stop, the same command resumes the study. Everything is in runs/studies/<name>/: the
runs, study.html, table.md, study.json, and study_results.json with the raw results, from which
--from makes the page without the runs. The exit code is 1 while runs are missing or have failed.

--jobs N starts the runs itself, N at once, the most important ones first: on this machine, or as
Slurm jobs with hydra/launcher=slurm. A run prints to output.txt in its folder.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from handpose.config import check_command_line
from handpose.config.schema import register
from handpose.study.child_processes import launcher
from handpose.study.comparisons import Findings, collect
from handpose.study.cost import describe_cost, estimate_cost
from handpose.study.jobs import (
    Outcome,
    describe_jobs,
    refuse_launcher,
    run_jobs,
    uses_slurm,
)
from handpose.study.multiruns import (
    Failure,
    changed_lines,
    describe_plan,
    hold,
    run_study,
    start_process,
    unfinished,
)
from handpose.study.planned_runs import load_study, override_problem, runs_folder
from handpose.study.run_grid import RunGrid
from handpose.study.status import Status
from handpose.study.study_file import SET_IN_FINETUNING, Study, check_metrics, parse_study

DEFINITIONS = Path(__file__).with_name("definitions")


def _parsed(argv: list[str] | None) -> argparse.Namespace:
    """Parses the command line without checks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", metavar="STUDY", help="the name of a study, or a YAML file")
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="KEY=VALUE", help="for every run"
    )
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--plan", action="store_true", help="print the commands, run nothing")
    only.add_argument("--report", action="store_true", help="collect finished runs, run nothing")
    only.add_argument(
        "--from",
        dest="stored",
        action="append",
        type=Path,
        metavar="FILE",
        help="make the page from a study_results.json, without runs; repeat it to merge several",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="with --report or --from: where the page goes"
    )
    parser.add_argument("--jobs", type=_whole, metavar="N", help="run N single runs at once")
    parser.add_argument(
        "--minutes", type=_positive, metavar="M", help="with --jobs: stop all runs after M minutes"
    )
    parser.add_argument(
        "--images-per-second",
        type=_positive,
        metavar="R",
        help="with --plan: the measured speed of training, for an estimate of the hours",
    )
    arguments = parser.parse_intermixed_args(argv)
    if arguments.images_per_second is not None and not arguments.plan:
        parser.error("--images-per-second needs --plan")
    if arguments.minutes is not None and arguments.jobs is None:
        parser.error("--minutes needs --jobs N")
    if arguments.out is not None and not (arguments.report or arguments.stored):
        parser.error("--out needs --report or --from FILE")
    return arguments


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a whole number above 0")
    return int(text)


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: expected a number above 0")
    return number


def main(argv: list[str] | None = None) -> None:
    """Checks the whole study before it starts anything."""
    arguments = _parsed(argv)
    register()
    try:
        raise SystemExit(_run(arguments))
    except ValueError as error:
        raise SystemExit(f"{Path(sys.argv[0]).name}: " + str(error).replace("\n", "\n  ")) from None
    except KeyboardInterrupt:
        raise SystemExit("Stopped. Run the same command to resume.") from None


def _run(arguments: argparse.Namespace) -> int:
    """Returns the exit code."""
    plan = load_study(arguments.study, DEFINITIONS)
    if arguments.stored:
        return _report_stored(plan, arguments)
    status = _status(plan, arguments)
    if arguments.jobs:
        refuse_launcher([*status.study.common, *arguments.overrides], arguments.minutes)
    if arguments.plan:
        plan_lines = describe_jobs(status) if arguments.jobs else describe_plan(status)
        cost = describe_cost(estimate_cost(status), arguments.images_per_second)
        print("\n".join([*plan_lines, *cost, *_refusal(status)]))
        _check(status)
        return 1 if status.changed else 0
    if arguments.report:
        _report(status, plan, unfinished(status, {}), folder=arguments.out)
        return 0
    if status.changed:
        raise ValueError("\n".join(_refusal(status)))
    _check(status)
    with hold(status.folder):
        outcome = _outcome(status, arguments)
        if outcome.is_stopped:
            print(
                f"{arguments.minutes:g} minutes are over, {len(outcome.failures)} runs are left. "
                "Run the same command to resume; --report collects the finished runs."
            )
        else:
            _report(status, plan, outcome.failures)
    return 1 if outcome.failures else 0


def _outcome(status: Status, arguments: argparse.Namespace) -> Outcome:
    """Runs what is missing."""
    if arguments.jobs is None:
        return Outcome(run_study(status, start_process()), is_stopped=False)
    with launcher(arguments.jobs, on_slurm=uses_slurm(status)) as launch:
        return run_jobs(status, launch, jobs=arguments.jobs, minutes=arguments.minutes)


def _status(plan: Any, arguments: argparse.Namespace) -> Status:
    """Returns the study and the status of its runs."""
    study = _study(plan, arguments)
    status = Status(RunGrid(study, arguments.overrides), _folder(study, arguments))
    status.find_changed()
    return status


def _study(plan: Any, arguments: argparse.Namespace) -> Study:
    """Checks the content of the file and the overrides."""
    try:
        study = parse_study(plan)
    except ValueError as error:
        raise ValueError(f"{arguments.study} is not a valid study:\n{error}") from None
    problems = [override_problem(line, SET_IN_FINETUNING) for line in arguments.overrides]
    if any(problems):
        raise ValueError("\n".join(problem for problem in problems if problem))
    return study


def _folder(study: Study, arguments: argparse.Namespace) -> Path:
    return runs_folder([*study.common, *arguments.overrides]) / "studies" / study.name


def _check(status: Status) -> None:
    """Refuses a study with runs that train.py would refuse, as train.py does."""
    for command in status.grid.samples():
        check_command_line(command)
    check_metrics(status.study)


def _refusal(status: Status) -> list[str]:
    """Returns what to do about runs with other settings."""
    if not status.changed:
        return []
    return [
        f"{len(status.changed)} runs were made with other settings than the study has now. Restore "
        "the settings, rename the study, or delete the folders of these runs to run them again:",
        *changed_lines(status),
    ]


def _report(
    status: Status, plan: Any, failures: list[Failure], *, folder: Path | None = None
) -> None:
    """Writes and prints the findings, and the raw results of the runs."""
    from handpose.study.stored_results import RESULTS_FILE, store

    folder = folder or status.folder
    findings = _write_page(status, plan, failures, folder=folder)
    store(folder / RESULTS_FILE, status, failures, plan=plan, day=findings.day)


def _write_page(
    status: Status, plan: Any, failures: list[Failure], *, folder: Path, day: str | None = None
) -> Findings:
    """Writes and prints the findings; only this imports torch."""
    from handpose.study.outputs import print_findings, write_outputs

    findings = collect(status, failures, day=day)
    print_findings(findings, page=write_outputs(folder, findings, plan=plan))
    return findings


def _report_stored(plan: Any, arguments: argparse.Namespace) -> int:
    """Makes the page from stored results; returns the exit code.

    With --out it keeps the merged results too, unless runs would be lost.
    """
    from handpose.study.stored_results import RESULTS_FILE, StoredStatus, load, store

    study = _study(plan, arguments)
    stored = load(arguments.stored, name=study.name)
    grid = RunGrid(study, [*stored.overrides, *arguments.overrides])
    status = StoredStatus(grid, _folder(study, arguments), records=stored.records)
    status.find_changed()
    failures = unfinished(status, stored.reasons)
    folder = arguments.out or status.folder
    _write_page(status, plan, failures, folder=folder, day=stored.day)
    lost = len(stored.records) - status.num_finished()
    if arguments.out and lost:
        print(
            f"{lost} of {len(stored.records)} runs do not count, so {RESULTS_FILE} is not written"
        )
    elif arguments.out:
        store(folder / RESULTS_FILE, status, failures, plan=plan, day=stored.day)
    return 0
