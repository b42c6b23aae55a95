"""What the workspace shows, as plain values made from the declarations of the metrics.

Names of curves are those of metrics.csv, names of results those of results.json: W&B has both.
"""

from typing import Literal, NamedTuple

from handpose.evaluation.embedding_health import HEALTH
from handpose.evaluation.metrics import METRICS
from handpose.evaluation.summarise import describe
from handpose.loggers.metric_axes import EPOCH_AXIS, STEP_AXIS
from handpose.training.meters import METERS, STEP

# Entries of a run's configuration in W&B, to group and compare runs by.
OBJECTIVE, FRACTION, SEED = "choices.objective", "choices.label_fraction", "choices.seed"
WORST = "evaluate/worst_samples"  # the table of the worst hands
_SHOWN_METERS = ("images_per_second", "memory_mib", "data_wait_percent")
_COLUMNS = (OBJECTIVE, "choices.head", "choices.backbone", "choices.dataset", FRACTION, SEED)
_PCK = "PCK"  # in the words of its metrics
_MOST_OF_PCK = 4

Kind = Literal["curve", "bars", "scatter", "images", "table"]


class Panel(NamedTuple):
    """A panel of the workspace.

    Attributes:
        kind: "curve" over `x`, "bars" and "scatter" of results, "images" or "table".
        title: above the panel.
        names: of curves, results, images or of one table.
        x: axis of curves ("epoch" or "step"), or the entry of the configuration of a scatter plot.
        groupby: entry of the configuration whose runs are averaged; empty for single runs.
    """

    kind: Kind
    title: str
    names: tuple[str, ...]
    x: str = ""
    groupby: str = ""


class Section(NamedTuple):
    """Panels under one heading."""

    name: str
    panels: tuple[Panel, ...]


class Specification(NamedTuple):
    """A workspace.

    Attributes:
        name: as W&B lists it.
        sections: from the top.
        columns: entries of the configuration beside the name of each run.
        results: beside them; runs are sorted by the first.
        better: which end of that result is good.
    """

    name: str
    sections: tuple[Section, ...]
    columns: tuple[str, ...]
    results: tuple[str, ...]
    better: Literal["lower", "higher"]


def specification(name: str) -> Specification:
    """Returns the workspace for the runs of any objective, head and dataset.

    Args:
        name: of the workspace.
    """
    main = tuple(metric.name for metric in METRICS if metric.is_main)
    return Specification(
        name=name,
        sections=(
            _objectives(main),
            _label_fractions(main),
            _health(),
            _training(),
            _accuracy(),
            _samples(),
            _speed(),
        ),
        columns=_COLUMNS,
        results=main,
        better=describe(main[0]).better,
    )


def _objectives(main: tuple[str, ...]) -> Section:
    bars = [
        Panel("bars", f"{describe(name).title}, by objective", (name,), groupby=OBJECTIVE)
        for name in main
    ]
    probe = "probe_pa_epe_mm"
    return Section("Objectives side by side", (*bars, _curve("pretrain", probe, OBJECTIVE)))


def _label_fractions(main: tuple[str, ...]) -> Section:
    panels = [
        Panel("scatter", f"{describe(name).title}, by label fraction", (name,), x=FRACTION)
        for name in main
    ]
    return Section("Label fractions", tuple(panels))


def _health() -> Section:
    panels = [_curve("pretrain", f"val_{name}") for name in HEALTH]
    return Section("Health of the representation", tuple(panels))


def _training() -> Section:
    losses = [
        Panel("curve", f"Loss, {stage}", (f"{stage}/train_loss", f"{stage}/val_loss"), EPOCH_AXIS)
        for stage in ("pretrain", "finetune")
    ]
    metrics = [_curve("finetune", f"val_{name}") for name in ("pa_epe_mm", "epe2d_crop_px")]
    return Section("Training", (*losses, *metrics))


def _accuracy() -> Section:
    names = [metric.name for metric in METRICS if _PCK in metric.label]
    panels = [
        Panel("bars", describe(name).title, (name,), groupby=OBJECTIVE)
        for name in names[:_MOST_OF_PCK]
    ]
    figures = ("report/pck", "report/pck2d", "report/error_per_joint", "report/reliability")
    return Section(
        "PCK and the error of each joint",
        (*panels, Panel("images", "Figures of the report", figures)),
    )


def _samples() -> Section:
    predictions = tuple(f"report/predictions_{kind}" for kind in ("worst", "median", "best"))
    return Section(
        "Worst samples",
        (
            Panel("table", "Hands with the largest errors", (WORST,)),
            Panel("images", "Predictions of the report", predictions),
            Panel("images", "Predictions while training", ("finetune/predictions",)),
        ),
    )


def _speed() -> Section:
    steps = [m.step_name for m in METERS if m.name in _SHOWN_METERS]
    steps += [f"{STEP}learning_rate", f"{STEP}gradient_norm"]
    panels = [
        Panel("curve", describe(name).title, (f"pretrain/{name}", f"finetune/{name}"), STEP_AXIS)
        for name in steps
    ]
    return Section("Speed and optimizer", tuple(panels))


def _curve(stage: str, name: str, groupby: str = "") -> Panel:
    words = describe(name.removeprefix("val_"))
    return Panel("curve", words.title, (f"{stage}/{name}",), EPOCH_AXIS, groupby)


def as_text(found: Specification) -> str:
    """Returns the workspace in readable lines.

    Args:
        found: from `specification`.
    """
    lines = [
        found.name,
        f"  columns: {', '.join((*found.columns, *found.results))}",
        f"  sorted by: {found.results[0]}, {found.better} is better",
    ]
    for section in found.sections:
        lines.append(f"  {section.name}")
        for panel in section.panels:
            over = f" over {panel.x}" if panel.x else ""
            mean = f", grouped by {panel.groupby}" if panel.groupby else ""
            names = ", ".join(panel.names)
            lines.append(f"    {panel.kind}: {panel.title}: {names}{over}{mean}")
    return "\n".join(lines)
