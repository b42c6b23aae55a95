"""Run a study: one of handpose/study/definitions, or your own YAML file.

It pre-trains each arm, chooses settings on the validation split, fine-tunes, and compares the arms
with intervals.
KEY=VALUE applies to every run, as for train.py (also hydra/launcher=...). Finished runs are not run
again: after a stop, the same command resumes the study. Everything is in runs/studies/<name>/: the
runs, study.html, table.md, study.json. The exit code is 1 while runs are missing or have failed.

--jobs N starts the runs itself, N at once on this machine, the most important ones first. A run
prints to output.txt in its folder.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from handpose.config import check_command_line
from handpose.config.schema import register
from handpose.study.comparisons import collect
from handpose.study.jobs import Outcome, describe_jobs, launcher, refuse_launcher, run_jobs
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
from handpose.study.study_file import SET_IN_FINETUNING, check_metrics, parse_study

_DEFINITIONS = Path(__file__).with_name("definitions")


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
    parser.add_argument(
        "--jobs", type=_whole, metavar="N", help="run N single runs at once on this machine"
    )
    parser.add_argument(
        "--minutes", type=_positive, metavar="M", help="with --jobs: stop all runs after M minutes"
    )
    arguments = parser.parse_intermixed_args(argv)
    if arguments.minutes is not None and arguments.jobs is None:
        parser.error("--minutes needs --jobs N")
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
    plan = load_study(arguments.study, _DEFINITIONS)
    status = _status(plan, arguments)
    if arguments.jobs:
        refuse_launcher([*status.study.common, *arguments.overrides])
    if arguments.plan:
        plan_lines = describe_jobs(status) if arguments.jobs else describe_plan(status)
        print("\n".join([*plan_lines, *_refusal(status)]))
        _check(status)
        return 1 if status.changed else 0
    if arguments.report:
        _report(status, plan, unfinished(status, {}))
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
    with launcher(arguments.jobs) as launch:
        return run_jobs(status, launch, jobs=arguments.jobs, minutes=arguments.minutes)


def _status(plan: Any, arguments: argparse.Namespace) -> Status:
    """Returns the study and the status of its runs."""
    try:
        study = parse_study(plan)
    except ValueError as error:
        raise ValueError(f"{arguments.study} is not a valid study:\n{error}") from None
    problems = [override_problem(line, SET_IN_FINETUNING) for line in arguments.overrides]
    if any(problems):
        raise ValueError("\n".join(problem for problem in problems if problem))
    runs = runs_folder([*study.common, *arguments.overrides])
    status = Status(RunGrid(study, arguments.overrides), runs / "studies" / study.name)
    status.find_changed()
    return status


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


def _report(status: Status, plan: Any, failures: list[Failure]) -> None:
    """Writes and prints the findings; only this imports torch."""
    from handpose.study.outputs import print_findings, write_outputs

    findings = collect(status, failures)
    page = write_outputs(status.folder, findings, plan=plan)
    print_findings(findings, page=page)
