"""`python scripts/export.py RUN [--to DIR] [--opset N]`: export a run as ONNX; see `--help`."""

from handpose.export.command import main

if __name__ == "__main__":
    main()
