"""One table of a study: every arm, condition, head and fraction. A second one has further pairs."""

from collections.abc import Callable, Sequence

from handpose.study.comparisons import Findings
from handpose.study.result_tables import Entry, StudyTables, Table, percent

Rows = Sequence[tuple[str, Sequence[Entry]]]


def overview_table(findings: Findings) -> Table:
    """Returns (condition and head, arm) x fraction: mean, change against the baseline, p."""
    return _table(findings, "arm", StudyTables.against_baseline)


def pairs_table(findings: Findings) -> Table:
    """Returns (condition and head, pair) x fraction of the pairs without the baseline."""
    return _table(findings, "difference", StudyTables.further_pairs)


def tables_by_group(findings: Findings) -> dict[str, StudyTables]:
    """Returns "condition, head" -> their tables."""
    study = findings.study
    groups = [(use, head) for use in study.uses for head in study.heads_of(use)]
    return {", ".join(filter(None, group)): StudyTables(findings, *group) for group in groups}


def _table(findings: Findings, name: str, rows_of: Callable[[StudyTables], Rows]) -> Table:
    """Returns the rows of all groups; their label is in the first row of each."""
    study, groups = findings.study, tables_by_group(findings)
    rows: list[tuple[str, Sequence[Entry]]] = []
    for label, tables in groups.items():
        for order, (own, entries) in enumerate(rows_of(tables)):
            named = (label if order == 0 else "", [Entry(own), *entries])
            rows.append(named if len(groups) > 1 else (own, entries))
    group = "condition, head" if study.conditions else "head"
    names = (group, name) if len(groups) > 1 else (name,)
    return Table((*names, *map(percent, study.fractions)), rows, names=len(names))
