"""`python scripts/weights.py export|import ...`: encoders of runs, out and in; see `--help`."""

from handpose.weights.command import main

if __name__ == "__main__":
    main()
