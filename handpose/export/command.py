"""Export the model of a finished run as model.onnx, with a MODEL_CARD.md.

The graph includes normalisation, soft-argmax and root depth, and takes any batch size. It is kept
only if it agrees with PyTorch on 100 random crops. Needs the extra `export`:
pip install "handpose[export]", or pip install -e ".[export]" in a checkout.
"""

import argparse
import importlib.util

from handpose.config.checks.folders import require_writable
from handpose.config.checks.overrides import path_argument
from handpose.config.errors import ends_with_message, refuse_arguments
from handpose.pipeline.run_directory import finished_config

_REQUIRED = ("onnx", "onnxruntime", "onnxscript")


def main(argv: list[str] | None = None) -> None:
    """Exports; exits with 1 and one message on any problem."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("run", type=path_argument, metavar="RUN", help="directory of a finished run")
    add("--to", type=path_argument, metavar="DIR", help="output folder (default: RUN/export)")
    add("--opset", type=int, default=18, metavar="N", help="ONNX operator set (default: 18)")
    arguments = parser.parse_args(argv)
    finished_config(arguments.run)  # refuses a run that is not finished
    folder = arguments.to or arguments.run / "export"
    require_writable("--to", folder)
    if missing := [name for name in _REQUIRED if importlib.util.find_spec(name) is None]:
        refuse_arguments([f'{", ".join(missing)} missing; pip install "handpose[export]"'])

    from handpose.export.export_run import export_run

    with ends_with_message():
        exported = export_run(arguments.run, folder, opset=arguments.opset)
    print(f"{exported.graph}: {exported.graph.stat().st_size / 1e6:.1f} MB")
    print(exported.agreement)
    print(f"{exported.card}: what it is, how to call it, and the terms of its data")
