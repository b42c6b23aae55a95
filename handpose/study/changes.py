"""Whether a run was made by the plan as it is today."""

from collections.abc import Mapping, Sequence
from typing import Any

from handpose.config.stored import changes
from handpose.config.study import planned_configs
from handpose.study.plan import Cell

Saved = Mapping[str, Any]


def differences(cells: Mapping[Cell, tuple[Saved, Sequence[str]]]) -> dict[Cell, list[str]]:
    """How the configuration that each cell was begun with differs from what is planned now.

    Args:
        cells: (the configuration in its run directory, the overrides as planned).

    Returns:
        "key: before -> now" for each value that differs, of the cells that have any. The plan is
        read with the cell's own `paths`, as folders may have moved.
    """
    planned = planned_configs(
        {cell: (lines, saved.get("paths", {})) for cell, (saved, lines) in cells.items()}
    )
    found = {cell: changes(dict(saved), planned[cell]) for cell, (saved, _) in cells.items()}
    return {cell: lines for cell, lines in found.items() if lines}
