"""`handpose APPLICATION ...`: one command for every application.

Nothing heavy is imported until an application has checked its command line.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from handpose import __version__
from handpose.invocation import enter

# {application: what it does}; handpose.<package>.command has its main(arguments).
APPLICATIONS = {
    "train": "pre-train, fine-tune, evaluate and report",
    "detect": "find the hands in images, videos or of a camera",
    "collect": "collect hands from images and videos as training data",
    "predict": "predict the hand in images, a video or a camera",
    "evaluate": "evaluate a finished run, on its dataset or another",
    "doctor": "check the data that a run would use",
    "pack": "store the crops that a run would cut out of its images",
    "explore": "open a page on augmentations and results",
    "export": "write the model of a run as ONNX",
    "export-coco": "write predictions as COCO keypoints, to correct them in a tool",
    "study": "compare methods with seeds and intervals",
    "dashboard": "save a W&B workspace that compares runs",
    "weights": "export, import and share weights",
}
_PACKAGES = {"train": "pipeline", "evaluate": "evaluation", "export-coco": "export_coco"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the application that the command line names.

    Args:
        arguments: the command line without the program's name; that of the process if None.
    """
    parser = _parser()
    if not (sys.argv[1:] if arguments is None else arguments):
        return parser.print_help()
    options = parser.parse_args(arguments)
    enter(options.application, options.arguments)
    package = _PACKAGES.get(options.application, options.application)
    import_module(f"handpose.{package}.command").main()


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, APPLICATIONS))
    lines = [f"  {name:{width}}  {text}" for name, text in APPLICATIONS.items()]
    parser = argparse.ArgumentParser(
        prog="handpose",
        usage="handpose APPLICATION ...",
        description="Self-supervised pre-training for 3D hand pose estimation.",
        epilog="\n".join(["applications:", *lines, "", "`handpose APPLICATION --help` has more."]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"handpose {__version__}")
    parser.add_argument("application", choices=APPLICATIONS, help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser
