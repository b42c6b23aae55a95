"""`python scripts/dashboard.py ENTITY/PROJECT`: a workspace on W&B; see `--help`."""

from handpose.dashboard.command import main

if __name__ == "__main__":
    main()
