"""`python scripts/doctor.py [KEY=VALUE] ... [--out DIR]`: check the data; see `--help`."""

from handpose.doctor.command import main

if __name__ == "__main__":
    main()
