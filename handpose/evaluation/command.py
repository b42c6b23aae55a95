"""Evaluate a finished run on its own dataset or another one.

evaluate.split= chooses the split; by default it is that of the run's results. Numbers, images and a
page go to RUN/evaluations/<dataset>/, or <dataset>-val/ for the validation split, and replace an
earlier evaluation there. With --to they go to DIR/<dataset>/. The results of the run itself stay as
they are.
"""

import argparse
import logging

from handpose.config.checks.folders import require_writable
from handpose.config.checks.overrides import path_argument
from handpose.config.errors import ends_with_message
from handpose.config.schema import register
from handpose.config.stored import check_evaluation
from handpose.invocation import command_line
from handpose.pipeline.run_directory import EVALUATIONS, finished_config


def _parsed(argv: list[str] | None) -> argparse.Namespace:
    """Parses the command line, without checking its overrides."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("run", type=path_argument, metavar="RUN", help="directory of a finished run")
    add("overrides", nargs="*", default=[], metavar="KEY=VALUE",
        help="dataset, paths, trainer or evaluate")  # fmt: skip
    add("--passes", type=int, choices=(1, 2), default=1, help="2: crop again about the "
        "joints of the first pass; both results are reported (default: 1)")  # fmt: skip
    add("--to", type=path_argument, metavar="DIR", 
        help="output folder (default: RUN/evaluations)")  # fmt: skip
    add("--submission", type=path_argument, metavar="ZIP", help="write the submission file of "
        "FreiHAND or HO-3D from the last pass; its vertices are zeros: no mesh is "
        "predicted")  # fmt: skip
    add("--any-length", action="store_true", help="allow a submission with another number of "
        "images than the official one")  # fmt: skip
    return parser.parse_intermixed_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Checks before it imports torch, then evaluates, writes and prints."""
    arguments = _parsed(argv)
    register()
    config = finished_config(arguments.run)
    cfg = check_evaluation(config, arguments.overrides)
    to = arguments.to or arguments.run / EVALUATIONS
    require_writable("--to", to)
    if arguments.submission:
        require_writable("--submission", arguments.submission.parent)
    from handpose.pipeline.evaluate_run import evaluate_finished, write_evaluation
    from handpose.pipeline.third_party_messages import quieten
    from handpose.report.choices import is_capped
    from handpose.report.terminal import print_results

    quieten()
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    with ends_with_message():
        evaluated = evaluate_finished(
            cfg,
            arguments.run,
            passes=arguments.passes,
            submission=arguments.submission,
            any_length=arguments.any_length,
        )
    folder = write_evaluation(to, *evaluated, config=config, command=command_line("evaluate"))
    print_results(evaluated[0], run_dir=folder, is_capped=is_capped(config))
    if arguments.submission:
        print(f"Submission: {arguments.submission} (its vertices are zeros: no mesh is predicted)")
