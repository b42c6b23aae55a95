"""`python scripts/collect.py INPUT OUT --model MODEL ...`: collect hands; see `--help`."""

from handpose.collect.command import main

if __name__ == "__main__":
    main()
