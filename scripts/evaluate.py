"""`python scripts/evaluate.py RUN [KEY=VALUE] ...`: evaluate a finished run; see `--help`."""

from handpose.evaluation.command import main

if __name__ == "__main__":
    main()
