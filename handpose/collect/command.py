"""Collect hands from images and videos as training data.

A detector finds the hands. Each is stored as a crop, or with --frames the whole frame. OUT is then
a dataset: dataset=folder with its boxes.csv, dataset=manifest with its labels.jsonl (the landmarks
of the detector as labels), and the joints of pretrain.mining.joints. After an interruption, the
same command resumes.
"""

import argparse
import hashlib
import logging
from pathlib import Path
from typing import Any

from handpose.collect.options import Options, flag, option_problems
from handpose.config.checks.folders import require_writable
from handpose.config.checks.overrides import path_argument
from handpose.config.errors import ends_with_message, refuse_arguments
from handpose.media.inputs import FORMS, Input, find_input

_HELP = {
    "every": "seconds of a video of which one frame is taken",
    "min_change": "grey levels by which a hand must differ from the last ones kept of the same "
    "source and side; 0 keeps all",
    "min_side": "px of the source; hands with a smaller box are left out",
    "min_score": "hands with a lower score are stored without landmarks",
    "size": "px; longest side of a stored image, larger ones are shrunk",
    "margin": "part of a box's side that is kept around it on each side of a crop",
    "num_hands": "most hands in a frame",
}


def _parsed(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("input", metavar="INPUT", help=FORMS.replace("0 (camera), ", ""))
    add("out", type=path_argument, metavar="OUT", help="folder of the collection")
    add("--model", required=True, metavar="MODEL",
        help="hand_landmarker.task (`handpose detect --help` says where it is), or "
        "package.module:function of your own")  # fmt: skip
    add("--recursive", action="store_true", help="include subfolders")
    add("--thorough", action="store_true", help="look at parts of a frame too, and again at each "
        "hand: more hands, fewer false ones, about ten times the time")  # fmt: skip
    add("--frames", action="store_true", help="store whole frames with boxes, not crops")
    for name, text in _HELP.items():
        default = Options._field_defaults[name]
        add(flag(name), type=type(default), default=default, metavar="N",
            help=f"{text} (default: {default:g})")  # fmt: skip
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Check the arguments, then collect, and print what was found; exit with 1 if nothing was."""
    arguments = _parsed(argv)
    options = Options(**{name: getattr(arguments, name) for name in Options._fields})
    found = _checked(arguments, options)
    require_writable("OUT", arguments.out)
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    from handpose.collect.job import collect

    try:
        with ends_with_message():
            summary = collect(
                found,
                arguments.out,
                model=arguments.model,
                description=_described(arguments.model, options),
                options=options,
            )
    except KeyboardInterrupt:
        raise SystemExit("stopped; the same command resumes") from None
    _print(summary, arguments.out)
    if not summary["counts"].get("hands kept"):
        print(_NO_HAND)
        raise SystemExit(1)


def _checked(arguments: argparse.Namespace, options: Options) -> Input:
    """Return the input; refuse with all problems at once."""
    problems = option_problems(options)
    found = Input()
    try:
        found = find_input(arguments.input, recursive=arguments.recursive)
        if found.camera is not None:
            problems.append(f"{arguments.input}: a camera cannot be collected from; record a video")
    except ValueError as error:
        problems.append(str(error))
    out = arguments.out.resolve()
    is_deep = arguments.recursive or "**" in arguments.input
    is_inside = is_deep and found.root is not None and found.root.resolve() in (out, *out.parents)
    if is_inside or any(out in path.resolve().parents for path in found.files):
        problems.append(f"{arguments.out}: is a folder of the input; choose one beside it")
    if problems:
        refuse_arguments(problems)
    return found


def _described(model: str, options: Options) -> dict[str, Any]:
    path = Path(model)
    if path.is_file():
        with path.open("rb") as file:
            model = f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
    return {"model": model} | {flag(name): value for name, value in options._asdict().items()}


def _print(summary: dict[str, Any], out: Path) -> None:
    if summary["was_finished"]:
        print(f"{out} is finished:")
    for what, number in summary["counts"].items():
        print(f"  {number:,} {what}")
    problems = summary["problems"]
    for file, reason in problems[:_SHOWN]:
        print(f"left out: {file}: {reason}")
    if len(problems) > _SHOWN:
        print(f"and {len(problems) - _SHOWN} more, in {out / 'collection.json'}")
    if summary["counts"].get("hands kept"):
        print(f"groups: {summary['groups']}")


_SHOWN = 10  # problems
_NO_HAND = (
    "No hand was kept. Look at what is found: handpose detect INPUT --model MODEL --draw DIR. "
    "Then try --thorough, a smaller --every or a smaller --min-side, with another OUT."
)
