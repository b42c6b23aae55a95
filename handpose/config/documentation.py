"""Generates the lists of choices and keys in `--help` and conf/README.md from conf/."""

import re
import textwrap
from typing import Any

from handpose.config.catalogue import BASE, REFERENCE, Catalogue
from handpose.config.content import leaves, lookup
from handpose.config.schema import Key
from handpose.messages import written

_TABLE = re.compile(
    r"(<!-- made by scripts/override_table\.py: (\w+) -->\n).*?(<!-- end -->)", re.S
)
_MANY = 16  # choices; more are counted, and listed elsewhere
_WIDTH = 120  # of a line of choices, in characters


def help_choices(catalogue: Catalogue) -> str:
    """Return a line or more for each group with a choice: its choices, the default first."""
    groups = {group: catalogue.choices[group] for group, _ in catalogue.defaults}
    lines = (
        f"{group}: {_listed(group, choices) or ', '.join(choices)}"
        for group, choices in groups.items()
        if len(choices) > 1
    )
    return "\n".join(
        textwrap.fill(line, _WIDTH, subsequent_indent="  ", break_on_hyphens=False)
        for line in lines
    )


def _listed(group: str, choices: list[str]) -> str:
    """Return the number of choices if there are many."""
    count = sum(not choice.startswith(BASE) for choice in choices)
    return f"{count} files, listed in docs/guide/{group}s.md" if len(choices) > _MANY else ""


def help_keys(catalogue: Catalogue) -> str:
    """Return a line for each main key: its default and its meaning."""
    rows = []
    for group in ["", *dict.fromkeys(group for group, slot in catalogue.defaults if group == slot)]:
        content = _default_content(catalogue, group)
        for path, key in catalogue.keys(group).items():
            if "main" in key.marks:
                name = f"{group}.{path}".lstrip(".")
                rows.append((f"{name}={_shown(lookup(content, path))}", key.meaning))
    width = max(len(left) for left, _ in rows)
    return "\n".join(f"{left:{width}}  {right}" for left, right in rows).replace("$", "$$")


def _default_content(catalogue: Catalogue, group: str) -> dict[str, Any]:
    default = catalogue.defaults.get((group, group))
    return catalogue.content(group, default) if default else catalogue.settings if not group else {}


def _shown(value: Any) -> str:
    """Return a value as typed, or the key that it refers to."""
    match = REFERENCE.fullmatch(str(value))
    return f"that of {match[1]}" if match else written(value)


def with_tables(text: str) -> str:
    """Return a document with its generated tables updated."""
    make = {"groups": group_table, "keys": key_tables}
    return _TABLE.sub(lambda found: f"{found[1]}{make[found[2]](Catalogue())}\n{found[3]}", text)


def group_table(catalogue: Catalogue) -> str:
    """Return a table of the groups: choices, and the stages that a choice reaches."""
    rows = ["| group | choices, the default first | reaches |", "|---|---|---|"]
    for group in dict.fromkeys(group for group, _ in catalogue.defaults):
        choices = catalogue.choices[group]
        listed = ", ".join(f"`{choice}`" for choice in choices)
        if count := _listed(group, choices):
            listed = f"{count.partition(',')[0]}: [{group}s]({group}s.md)"
        if len(choices) > 1:
            rows.append(f"| `{group}` | {listed} | {_reach(catalogue, group)} |")
    return "\n".join(rows)


def _reach(catalogue: Catalogue, group: str) -> str:
    """Return the stages that a choice reaches, and the overrides for a single stage."""
    own = {slot: d for (g, slot), d in catalogue.defaults.items() if g == group and slot != group}
    following = [slot for slot, g in catalogue.slots.items() if g == group and slot != group]
    reached = [
        slot.partition(".")[0]
        for slot in following
        if own.get(slot) is None and not catalogue.may_be_null(slot)
    ]
    alone = [
        f"`{group}@{slot}=`"
        + (f" (`{default}`)" if default else "")
        + (" (none)" if catalogue.may_be_null(slot) else "")
        for slot, default in own.items()
    ]
    return (" and ".join(reached) or "the run") + (
        f"; one alone: {', '.join(alone)}" if alone else ""
    )


def key_tables(catalogue: Catalogue) -> str:
    """Return a table of all keys: first the run's, then those of each group."""
    own, settings = catalogue.keys(), leaves(catalogue.settings)
    rows = [
        _row(path, value, own[path])
        for path, value in settings
        if path not in catalogue.slots or own[path].meaning
    ]
    groups = dict.fromkeys(g for g, slot in catalogue.defaults if slot in catalogue.slots)
    sections = {"the run": rows} | {f"{g}=": _group_rows(catalogue, g) for g in groups}
    head = "| key | default | takes | meaning |\n|---|---|---|---|"
    return "\n\n".join(f"## {t}\n\n{head}\n" + "\n".join(rows) for t, rows in sections.items())


def _group_rows(catalogue: Catalogue, group: str) -> list[str]:
    """Return a row for each key of a group's choices, the default choice first."""
    values: dict[str, Any] = {}
    owners: dict[str, list[str]] = {}
    for choice in catalogue.choices[group]:
        for path, value in leaves(catalogue.content(group, choice)):
            if not path.startswith(("_", "parts.")):  # parts have their own tables
                values.setdefault(path, value)
                owners.setdefault(path, []).append(choice)
    having = list(dict.fromkeys(choice for names in owners.values() for choice in names))
    having = [choice for choice in catalogue.choices[group] if choice in having]
    keys = catalogue.keys(group)
    return [
        _row(f"{group}.{path}", value, keys[path], _some(owners[path], having))
        for path, value in values.items()
    ]


def _some(owners: list[str], having: list[str]) -> str:
    """Return which choices have a key, or "" if all have it."""
    if len(owners) == len(having):
        return ""
    without = [choice for choice in having if choice not in owners]
    few = len(owners) <= len(without) + 1
    return f"({', '.join(owners)}) " if few else f"(not {', '.join(without)}) "


def _row(path: str, value: Any, key: Key, owners: str = "") -> str:
    takes = key.rule.expected if key.rule else ""
    cells = [f"`{path}`", f"`{_shown(value)}`", takes, f"{owners}{key.meaning}".strip()]
    return "| " + " | ".join(c.replace("|", "\\|").replace("<", "&lt;") for c in cells) + " |"
