"""`python scripts/override_table.py [--write]`

Says whether the tables of overrides in docs/guide/configuration.md and conf/README.md are those
that conf/ makes, and writes them with --write. The meaning of a key is the comment behind it in its
YAML file.
"""

import argparse
import re
from pathlib import Path
from typing import Any

import yaml

from handpose.config.catalogue import CONF, Catalogue
from handpose.config.meanings import MANY, SHARED, comments, defaults, ordered, shown
from handpose.config.tree import leaves

ROOT = CONF.parent
GROUPS = "docs/guide/configuration.md"
_TABLE = re.compile(
    r"(<!-- made by scripts/override_table\.py: (\w+) -->\n).*?(<!-- end -->)", re.S
)


def main() -> None:
    """Exits with 1 where a table is not what conf/ makes, unless it was to be written."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="write them")
    write = parser.parse_args().write
    stale = [path for path in (ROOT / GROUPS, CONF / "README.md") if _is_stale(path, write)]
    if stale and not write:
        names = " and ".join(str(path.relative_to(ROOT)) for path in stale)
        raise SystemExit(f"{names}: not what conf/ makes; python scripts/override_table.py --write")


def _is_stale(path: Path, write: bool) -> bool:
    """Whether a file's tables were others than conf/ makes."""
    text = path.read_text(encoding="utf-8")
    new = with_tables(text)
    if write:
        path.write_text(new, encoding="utf-8")
    return new != text


def with_tables(text: str) -> str:
    """A document with the tables, between their marks, that conf/ makes today."""
    catalogue = Catalogue()
    make = {"groups": group_table, "keys": key_tables}
    return _TABLE.sub(lambda found: f"{found[1]}{make[found[2]](catalogue)}\n{found[3]}", text)


def group_table(catalogue: Catalogue) -> str:
    """Every group: its choices, the default first, and what choosing one reaches."""
    rows = ["| group | choices, the default first | reaches |", "|---|---|---|"]
    for group in dict.fromkeys(group for group, _ in catalogue.selectors):
        choices = ordered(catalogue, group)
        shown = ", ".join(f"`{choice}`" for choice in choices)
        if len(choices) > MANY:
            count = sum(not choice.startswith(SHARED) for choice in choices)
            shown = f"{count} files: [{group}s]({group}s.md)"
        if len(choices) > 1:
            rows.append(f"| `{group}` | {shown} | {_reach(catalogue, group)} |")
    return "\n".join(rows)


def _reach(catalogue: Catalogue, group: str) -> str:
    """The stages that refer to the group's choice, and the overrides that reach one alone."""
    chosen = defaults(catalogue, group)
    slots = [slot for slot, of in catalogue.slots.items() if of == group and slot != group]
    stages = [slot.partition(".")[0] for slot in slots if chosen.get(slot) is None]
    own = [
        f"`{group}@{slot}=`" + (f" (`{default}`)" if default else "")
        for slot, default in chosen.items()
        if slot != group
    ]
    return (" and ".join(stages) or "the run") + (f"; one alone: {', '.join(own)}" if own else "")


def key_tables(catalogue: Catalogue) -> str:
    """Every key that can be set: the run's own, then those of each group's choices."""
    others = ("defaults", "hydra", *catalogue.slots)
    meanings = comments(CONF / "config.yaml")
    own = yaml.safe_load((CONF / "config.yaml").read_text(encoding="utf-8"))
    rows = [
        _row(path, value, meanings[path])
        for path, value in leaves(own)
        if not path.startswith(others)
    ]
    groups = dict.fromkeys(group for group, _ in catalogue.selectors if group != "experiment")
    sections = {"the run": rows} | {f"{g}=": _group_rows(catalogue, g) for g in groups}
    head = "| key | default | meaning |\n|---|---|---|"
    return "\n\n".join(f"## {t}\n\n{head}\n" + "\n".join(rows) for t, rows in sections.items())


def _group_rows(catalogue: Catalogue, group: str) -> list[str]:
    """The keys of a group's choices, those of a mix's parts apart; the default choice's first."""
    values: dict[str, Any] = {}
    meanings: dict[str, str] = {}
    owners: dict[str, list[str]] = {}
    having = [choice for choice in ordered(catalogue, group) if _leaves(catalogue, group, choice)]
    for choice in having:
        said = comments(CONF / group / f"{choice}.yaml")
        meanings |= {path: text for path, text in said.items() if text and path not in meanings}
        for path, value in _leaves(catalogue, group, choice).items():
            values.setdefault(path, value)
            owners.setdefault(path, []).append(choice)
    return [
        _row(f"{group}.{path}", value, meanings.get(path, ""), _some(owners[path], having))
        for path, value in values.items()
    ]


def _leaves(catalogue: Catalogue, group: str, choice: str) -> dict[str, Any]:
    """{dotted path: value} of what can be set of a choice itself."""
    content = dict(leaves(catalogue.content(group, choice)))
    return {
        p: v for p, v in content.items() if p != "_target_" and not p.startswith(("_", "parts."))
    }


def _some(owners: list[str], having: list[str]) -> str:
    """Who has a key, where not all have."""
    if len(owners) == len(having):
        return ""
    without = [choice for choice in having if choice not in owners]
    few = len(owners) <= len(without) + 1
    return f"({', '.join(owners)}) " if few else f"(not {', '.join(without)}) "


def _row(path: str, value: Any, meaning: str, owners: str = "") -> str:
    text = f"{owners}{meaning}".strip().replace("|", "\\|").replace("<", "&lt;")
    return f"| `{path}` | `{shown(value)}` | {text} |"


if __name__ == "__main__":
    main()
