"""The specification as a workspace of `wandb-workspaces`, and saving it."""

from typing import Any

from handpose.dashboard.specification import Panel, Specification
from handpose.messages import first_line

_WIDE = 24  # columns of the grid: the whole width


def build_workspace(found: Specification, *, entity: str, project: str) -> Any:
    """Builds the workspace; sends nothing.

    Args:
        found: from `specification`.
        entity: user or team.
        project: of the runs.
    """
    import wandb_workspaces.workspaces as ws

    best = ws.Ordering(ws.Summary(found.results[0]), ascending=found.better == "lower")
    columns = [f"config:{_value_of(name)}" for name in found.columns]
    return ws.Workspace(
        entity=entity,
        project=project,
        name=found.name,
        sections=[
            ws.Section(
                name=section.name, panels=[_panel(own) for own in section.panels], is_open=True
            )
            for section in found.sections
        ],
        runset_settings=ws.RunsetSettings(
            order=[best],
            pinned_columns=[*columns, *(f"summary:{name}" for name in found.results)],
        ),
    )


def _value_of(name: str) -> str:
    """Returns the place of a value in W&B: "choices.head" -> "choices.value.head"."""
    first, _, rest = name.partition(".")
    return f"{first}.value.{rest}" if rest else f"{first}.value"


def _panel(panel: Panel) -> Any:
    import wandb_workspaces.reports.v2 as wr

    layout = wr.Layout(w=_WIDE, h=12) if panel.kind in ("table", "images") else wr.Layout()
    grouped: dict[str, Any] = {}
    if panel.groupby:
        group = wr.Config(panel.groupby)
        grouped = dict(groupby=group, groupby_aggfunc="mean", groupby_rangefunc="stddev")
    if panel.kind == "curve":
        return wr.LinePlot(title=panel.title, x=panel.x, y=[*panel.names], layout=layout, **grouped)
    if panel.kind == "bars":
        metrics: list[Any] = [wr.SummaryMetric(name) for name in panel.names]
        return wr.BarPlot(title=panel.title, metrics=metrics, layout=layout, **grouped)
    if panel.kind == "scatter":
        x, y = wr.Config(panel.x), wr.SummaryMetric(panel.names[0])
        return wr.ScatterPlot(title=panel.title, x=x, y=y, log_x=True, layout=layout)
    if panel.kind == "table":
        return wr.WeavePanelSummaryTable(table_name=panel.names[0], layout=layout)
    return wr.MediaBrowser(title=panel.title, media_keys=list(panel.names), layout=layout)


def save_workspace(workspace: Any) -> str:
    """Saves a workspace as a new view of its project; returns its address.

    Args:
        workspace: from `build_workspace`.

    Raises:
        ValueError: there is no login, no such project, or no connection.
    """
    import wandb

    place = f"{workspace.entity}/{workspace.project}"
    try:
        return str(workspace.save().url)
    except (wandb.Error, OSError) as error:
        raise ValueError(
            f"{place}: the workspace was not saved ({first_line(error)}). Run `wandb login` or set "
            "WANDB_API_KEY, check the names and the network; --dry-run needs none of them"
        ) from None
