"""`python scripts/export.py RUN [--to DIR] [--opset N]`

Writes the model of a finished run as model.onnx, with normalisation, soft-argmax and root depth
inside and a free batch size, and MODEL_CARD.md beside it. The graph is kept only if it agrees with
PyTorch on 100 random crops. Needs the extra `export`: pip install -e ".[export]".
"""

import argparse
import importlib.util
from pathlib import Path

from handpose.config.folders import require_writable
from handpose.config.refusal import ends_with_message
from handpose.config.writing import path_argument
from handpose.pipeline.run_directory import finished_config

NEEDED = ("onnx", "onnxruntime", "onnxscript")


def main() -> None:
    """Exits with 1 and one message if anything is wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "run", type=path_argument, metavar="RUN", help="directory of a finished run"
    )
    parser.add_argument("--to", type=path_argument, metavar="DIR", help="RUN/export")
    parser.add_argument("--opset", type=int, default=18, metavar="N",
        help="version of the ONNX operators; 18")  # fmt: skip
    arguments = parser.parse_args()
    finished_config(arguments.run)  # refuses what is no finished run
    folder = arguments.to or arguments.run / "export"
    require_writable("--to", folder)
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise SystemExit(
            f'{Path(__file__).name}: {", ".join(missing)} missing; pip install -e ".[export]"'
        )
    from handpose.export import export_run

    with ends_with_message():
        exported = export_run(arguments.run, folder, opset=arguments.opset)
    a, g, r = exported.agreement, exported.agreement.graph, exported.agreement.rounding
    size = exported.graph.stat().st_size
    print(f"{exported.graph}: {size / 1e6:.1f} MB")
    print(
        f"on {a.crops} random crops within {g.px:.1e} px and {g.mm:.1e} mm of PyTorch "
        f"({g.camera:.1e} of the distance in the camera), which differs from itself in float64 by "
        f"{r.px:.1e} px and {r.mm:.1e} mm"
    )
    print(f"{exported.card}: what it is, how to call it, and the terms of its data")


if __name__ == "__main__":
    main()
