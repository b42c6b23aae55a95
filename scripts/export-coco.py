"""`python scripts/export-coco.py PREDICTIONS [--to FILE]`: predictions as COCO; see `--help`."""

from handpose.export_coco.command import main

if __name__ == "__main__":
    main()
