"""`python scripts/predict.py RUN INPUT [--to DIR] ...`: predict hands; see `--help`."""

from handpose.predict.command import main

if __name__ == "__main__":
    main()
