"""`python scripts/detect.py INPUT --model MODEL [--to FILE] ...`: detect hands; see `--help`."""

from handpose.detect.command import main

if __name__ == "__main__":
    main()
