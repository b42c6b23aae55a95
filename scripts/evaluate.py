"""`python scripts/evaluate.py RUN [dataset=NAME] [KEY=VALUE] ... [--passes 2] [--submission ZIP]
[--to DIR]`

Evaluates a finished run on its own dataset, or on another one, on the split of evaluate.split=:
that of the run's results, if not told otherwise. Numbers, pictures and a page go to
RUN/evaluations/<dataset>/, or <dataset>-val/ for the validation split, and replace an earlier
evaluation there. With --to they go to DIR/<dataset>/, for a run that cannot be written. The run's
own results stay as they are.
"""

import argparse
import logging
import shlex
import sys

from handpose.config.evaluation import check_evaluation
from handpose.config.folders import require_writable
from handpose.config.refusal import ends_with_message
from handpose.config.schema import register
from handpose.config.writing import path_argument
from handpose.pipeline.run_directory import EVALUATIONS, finished_config


def parsed() -> argparse.Namespace:
    """The command line, its overrides not yet checked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("run", type=path_argument, metavar="RUN", help="directory of a finished run")
    add("overrides", nargs="*", default=[], metavar="KEY=VALUE",
        help="dataset, paths, trainer or evaluate")  # fmt: skip
    add("--passes", type=int, choices=(1, 2), default=1, help="2: a second time, cropped about the "
        "joints that were predicted first; the numbers of both stand side by side")  # fmt: skip
    add("--to", type=path_argument, metavar="DIR", help="folder of the results; RUN/evaluations")
    add("--submission", type=path_argument, metavar="ZIP", help="writes the file for FreiHAND's "
        "server, of the last pass; no mesh is predicted, so its vertices are zeros")  # fmt: skip
    add("--any-length", action="store_true", help="takes other than FreiHAND's 3,960 images for "
        "a submission")  # fmt: skip
    return parser.parse_intermixed_args()


def main() -> None:
    """Checks before anything heavy is imported, then evaluates, writes and prints."""
    arguments = parsed()
    register()
    config = finished_config(arguments.run)
    cfg = check_evaluation(config, arguments.overrides)
    to = arguments.to or arguments.run / EVALUATIONS
    require_writable("--to", to)
    if arguments.submission:
        require_writable("--submission", arguments.submission.parent)
    from handpose.pipeline.evaluate_run import evaluate_finished, write_evaluation
    from handpose.pipeline.third_party_messages import quieten
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
    command = shlex.join(["python", *sys.argv])
    folder = write_evaluation(to, *evaluated, config=config, command=command)
    print_results(evaluated[0], run_dir=folder)
    if arguments.submission:
        print(f"Submission: {arguments.submission} (its vertices are zeros: no mesh is predicted)")


if __name__ == "__main__":
    main()
