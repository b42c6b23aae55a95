"""`python scripts/study.py STUDY [KEY=VALUE] ...`: compare methods; see `--help`."""

from handpose.study.command import main

if __name__ == "__main__":
    main()
