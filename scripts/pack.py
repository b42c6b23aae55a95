"""`python scripts/pack.py [KEY=VALUE] ...`: pack the crops of a training; see `--help`."""

from handpose.pack.command import main

if __name__ == "__main__":
    main()
