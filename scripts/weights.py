"""`python scripts/weights.py export|import|push|pull ...`: weights, out and in; see `--help`."""

from handpose.weights.command import main

if __name__ == "__main__":
    main()
