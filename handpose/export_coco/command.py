"""Write predictions as a COCO keypoints file, to correct them in an annotation tool.

CVAT, Label Studio, Roboflow and others import such a file. Train on the correction with
dataset=coco. Joints and boxes are in px of the image as shown. An image without a predicted hand is
not in the file. Frames of a video get the names NAME_000000.jpg, NAME_000001.jpg, ...; extract them
with
ffmpeg -i NAME.mp4 -fps_mode passthrough -start_number 0 NAME_%06d.jpg
"""

import argparse
import json
from pathlib import Path

from handpose.coco_format import coco_document
from handpose.config.checks.folders import require_writable
from handpose.config.checks.overrides import path_argument
from handpose.config.errors import refuse_arguments
from handpose.export_coco.read_predictions import find_predictions, read_predictions
from handpose.files import replacing


def main(argv: list[str] | None = None) -> None:
    """Reads, converts and writes; exits with 1 and all problems if a prediction is wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("predictions", type=path_argument, metavar="PREDICTIONS",
        help="output folder of handpose predict, or one of its .json or .jsonl files")  # fmt: skip
    add("--to", type=path_argument, default=Path("labels.json"), metavar="FILE",
        help="COCO file to write (default: labels.json)")  # fmt: skip
    arguments = parser.parse_args(argv)
    target = arguments.to
    if target.is_dir():
        refuse_arguments([f"--to {target}: this is a folder; name a file in it"])
    require_writable("--to", target.parent)
    try:
        files = find_predictions(arguments.predictions, apart_from=target)
        document = coco_document(read_predictions(files))
    except ValueError as error:
        refuse_arguments(str(error).splitlines())
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as partial:
        partial.write_text(json.dumps(document, allow_nan=False), encoding="utf-8")
    images, hands = len(document["images"]), len(document["annotations"])
    print(f"{target}: {images} image{'s' * (images != 1)}, {hands} hand{'s' * (hands != 1)}")
