"""`python -m handpose ...`: the same as `handpose ...`."""

from handpose.cli import main

if __name__ == "__main__":
    main()
