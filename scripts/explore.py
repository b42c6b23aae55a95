"""`python scripts/explore.py [KEY=VALUE] ...`: open a page on this machine; see `--help`."""

from handpose.explore.command import main

if __name__ == "__main__":
    main()
