"""`python scripts/study.py STUDY [KEY=VALUE] ... [--plan | --report]`

Runs a study, scripts/studies/STUDY.yaml or a YAML file of your own: pre-trains each arm, chooses
settings on the validation split, fine-tunes, and compares the arms with intervals. KEY=VALUE goes
to every run, as for train.py (hydra/launcher=... too). What is finished is never run again, so the
same command goes on where it was stopped. All of it lies in runs/studies/<name>/: the runs,
study.html, table.md, study.json. Exits with 1 while runs are missing or have failed.
"""

import argparse
import os
from pathlib import Path
from typing import Any

from handpose.config import check_command_line
from handpose.config.schema import register
from handpose.config.study import load_study, override_problem, runs_folder
from handpose.study.collect import collect
from handpose.study.commands import samples
from handpose.study.definition import FINETUNING, parse_study
from handpose.study.launch import (
    Failure,
    changes,
    describe_plan,
    hold,
    run_study,
    start_process,
    unfinished,
)
from handpose.study.progress import Progress

ROOT = Path(__file__).resolve().parents[1]


def parsed() -> argparse.Namespace:
    """The command line, nothing in it checked yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", metavar="STUDY", help="in scripts/studies/, or a .yaml file")
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="KEY=VALUE", help="of every run"
    )
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--plan", action="store_true", help="print the commands, run nothing")
    only.add_argument("--report", action="store_true", help="collect what is there, run nothing")
    return parser.parse_intermixed_args()


def main() -> None:
    """Checks the whole study before anything is started."""
    arguments = parsed()
    register()
    try:
        raise SystemExit(_run(arguments))
    except ValueError as error:
        raise SystemExit("study.py: " + str(error).replace("\n", "\n  ")) from None
    except KeyboardInterrupt:
        raise SystemExit("Stopped; the same command resumes it.") from None


def _run(arguments: argparse.Namespace) -> int:
    """The exit code."""
    plan = load_study(arguments.study, ROOT / "scripts" / "studies")
    progress = _progress(plan, arguments)
    train = Path(os.path.relpath(ROOT / "train.py"))
    if arguments.plan:
        print("\n".join([*describe_plan(progress, str(train)), *_refusal(progress)]))
        _check(progress)
        return 1 if progress.changed else 0
    if arguments.report:
        _report(progress, plan, unfinished(progress, {}))
        return 0
    if progress.changed:
        raise ValueError("\n".join(_refusal(progress)))
    _check(progress)
    with hold(progress.folder):
        failures = run_study(progress, start_process(train))
        _report(progress, plan, failures)
    return 1 if failures else 0


def _progress(plan: Any, arguments: argparse.Namespace) -> Progress:
    """The study, and what there is of it."""
    try:
        study = parse_study(plan)
    except ValueError as error:
        raise ValueError(f"{arguments.study} is no study:\n{error}") from None
    problems = [override_problem(line, FINETUNING) for line in arguments.overrides]
    if any(problems):
        raise ValueError("\n".join(problem for problem in problems if problem))
    runs = runs_folder([*study.common, *arguments.overrides])
    progress = Progress(study, runs / "studies" / study.name, arguments.overrides)
    progress.find_changed()
    return progress


def _check(progress: Progress) -> None:
    """Refuses a study with runs that train.py would refuse, as train.py does."""
    for command in samples(progress.study, progress.extra):
        check_command_line(command)
    from handpose.study.metrics import check_metrics

    check_metrics(progress.study)


def _refusal(progress: Progress) -> list[str]:
    """What to do about runs that were made by another plan."""
    if not progress.changed:
        return []
    return [
        f"{len(progress.changed)} runs were made by another plan than this study's today. Put the "
        "plan back, give the study another name, or delete their folders to make them again:",
        *changes(progress),
    ]


def _report(progress: Progress, plan: Any, failures: list[Failure]) -> None:
    """Writes and prints what the finished runs say; only this needs anything heavy."""
    from handpose.study.outputs import write_outputs
    from handpose.study.terminal import print_findings

    findings = collect(progress, failures)
    page = write_outputs(progress.folder, findings, plan=plan)
    print_findings(findings, page=page)


if __name__ == "__main__":
    main()
