"""`python scripts/override_table.py [--write]`

Checks whether the tables of overrides in docs/guide/configuration.md and conf/README.md are those
that conf/ makes, and writes them with --write. What a key takes and means is the comment behind it
in its YAML file.
"""

import argparse
from pathlib import Path

from handpose.config.documentation import with_tables
from handpose.config.schema import CONF

ROOT = CONF.parent
DOCUMENTS = (ROOT / "docs" / "guide" / "configuration.md", CONF / "README.md")


def main() -> None:
    """Exit with 1 where a table is not what conf/ makes, unless it was to be written."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="write the tables")
    write = parser.parse_args().write
    stale = [path for path in DOCUMENTS if _is_stale(path, write)]
    if stale and not write:
        names = " and ".join(str(path.relative_to(ROOT)) for path in stale)
        raise SystemExit(f"{names}: not what conf/ makes; python scripts/override_table.py --write")


def _is_stale(path: Path, write: bool) -> bool:
    """Return whether a file has other tables than conf/ makes; write these on demand."""
    text = path.read_text(encoding="utf-8")
    new = with_tables(text)
    if write:
        path.write_text(new, encoding="utf-8")
    return new != text


if __name__ == "__main__":
    main()
