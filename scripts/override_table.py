"""`python scripts/override_table.py [--write]`

Checks that the tables in docs/guide/configuration.md and conf/README.md match conf/. With --write,
updates them. The values and meaning of a key come from the comment behind it in its YAML file.
"""

import argparse
from pathlib import Path

from handpose.config.documentation import with_tables

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = (ROOT / "docs" / "guide" / "configuration.md", ROOT / "conf" / "README.md")


def main() -> None:
    """Check or write the tables; exit with 1 if one is out of date."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="write the tables")
    write = parser.parse_args().write
    stale = [path for path in DOCUMENTS if _is_stale(path, write)]
    if stale and not write:
        names = " and ".join(str(path.relative_to(ROOT)) for path in stale)
        raise SystemExit(f"{names}: out of date; run python scripts/override_table.py --write")


def _is_stale(path: Path, write: bool) -> bool:
    """Return whether a file has outdated tables; update them if `write`."""
    text = path.read_text(encoding="utf-8")
    new = with_tables(text)
    if write:
        path.write_text(new, encoding="utf-8")
    return new != text


if __name__ == "__main__":
    main()
