"""Run a study: one of handpose/study/definitions, or your own YAML file.

It pre-trains each arm, chooses settings on the validation split, fine-tunes, and compares the arms
with intervals.
KEY=VALUE applies to every run, as for train.py (also hydra/launcher=...). Finished runs are not run
again: after a stop, the same command resumes the study. Everything is in runs/studies/<name>/: the
runs, study.html, table.md, study.json. The exit code is 1 while runs are missing or have failed.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from handpose.config import check_command_line
from handpose.config.schema import register
from handpose.study.comparisons import collect
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
    return parser.parse_intermixed_args(argv)


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
    if arguments.plan:
        print("\n".join([*describe_plan(status), *_refusal(status)]))
        _check(status)
        return 1 if status.changed else 0
    if arguments.report:
        _report(status, plan, unfinished(status, {}))
        return 0
    if status.changed:
        raise ValueError("\n".join(_refusal(status)))
    _check(status)
    with hold(status.folder):
        failures = run_study(status, start_process())
        _report(status, plan, failures)
    return 1 if failures else 0


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
