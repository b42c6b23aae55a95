"""The page's sections on what was run and what came of it."""

from html import escape

import yaml

from handpose.evaluation.evaluation import Results
from handpose.report.choices import key_choices
from handpose.report.html import number
from handpose.report.inputs import ReportInput
from handpose.report.pretext import pretext_table
from handpose.report.rows import WORSE, Cell, Row, duration, facts, metric_rows, shown

# The first four that apply.
_TILES = (
    "pa_epe_mm",
    "auc_pa_50mm",
    "epe3d_root_relative_bone_granted_mm",
    "epe2d_px",
    "pa_epe_weak_perspective_px",
    "pck2d_at_20pct_of_joint_box",
    "auc_pck2d_to_20pct_of_joint_box",
)
_NUM_TILES = 4
_COUNTED = ("hands", "joints")
_COLUMNS = ("mean", "median", "mean pose", "ratio", "shuffled", *_COUNTED)


def what_was_run(report: ReportInput) -> str:
    """The command, the key choices, and the whole configuration folded away."""
    choices = "".join(
        f"<tr><th>{escape(label)}</th><td>{escape(text)}</td></tr>"
        for label, text in key_choices(report.config).items()
    )
    config = yaml.safe_dump(report.config, sort_keys=False, allow_unicode=True)
    return (
        f"<h2>What was run</h2><pre>{escape(report.command)}</pre>"
        f'<div class="card"><table class="facts"><tbody>{choices}</tbody></table></div>'
        "<details><summary>The whole configuration</summary>"
        f"<pre>{escape(config)}</pre></details>"
    )


def what_came_of_it(results: Results) -> str:
    """The headline numbers, the table of metrics, that of pre-training, and counts and times."""
    rows = metric_rows(results)
    tables = (_metrics_table(rows), pretext_table(results), _facts_table(facts(results)))
    split = f" on the {escape(str(results['split']))} split" if "split" in results else ""
    return "".join((f"<h2>Results{split}</h2>", _tiles(rows), *tables))


def _tiles(rows: list[Row]) -> str:
    known = {row.mean.key: row for row in rows if row.mean.value is not None}
    tiles = "".join([_tile(known[key]) for key in _TILES if key in known][:_NUM_TILES])
    return f'<div class="tiles">{tiles}</div>' if tiles else ""


def _tile(row: Row) -> str:
    against = ""
    if row.mean_pose is not None and row.mean_pose.value is not None:
        against = f"mean pose {shown(row.mean_pose.value, unit=row.unit)}, ratio {row.ratio:.2f}"
        against += f", <b>{WORSE}</b>" if row.is_worse_than_mean_pose else ""
    elif row.median is not None and row.median.value is not None:
        against = f"median {shown(row.median.value, unit=row.unit)}"
    return (
        f'<div class="card tile"><div class="name">{escape(row.label)}</div>'
        f"<b>{number(row.mean.value, unit=row.unit)} <small>{row.unit}</small></b>"
        f'<div class="against">{against}</div></div>'
    )


def _metrics_table(rows: list[Row]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{name}</th>" for name in ("metric", *_COLUMNS))
    body = "".join(_metric(row) for row in rows)
    return (
        f'<div class="card"><table class="numbers"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
        '<p class="muted note">Mean pose: the constant Procrustes mean of the training hands whose '
        "labels the run had, aligned and scored like a prediction; ratio: the model’s value over "
        "it. Shuffled: the control, each prediction scored against another test hand. Hands and "
        "joints: how many the metric is the mean of, all that are labelled for it.</p>"
    )


def _metric(row: Row) -> str:
    cells = "".join(_metric_cell(row, column) for column in _COLUMNS)
    notes = f"<p>{escape(row.explanation)}</p>" if row.explanation else ""
    for reason, columns in _reasons(row).items():
        names = "" if columns == ["mean"] else f" ({', '.join(columns)})"
        notes += f"<p>n/a{names}: {escape(reason)}</p>"
    return f"<tr><th>{escape(row.label)}{notes}<code>{escape(row.mean.key)}</code></th>{cells}</tr>"


def _metric_cell(row: Row, column: str) -> str:
    if column == "ratio":
        text = "" if row.ratio is None else f"{row.ratio:.2f}"
        text += f" <small>{WORSE}</small>" if row.is_worse_than_mean_pose else ""
        return f'<td data-label="ratio">{text}</td>'
    cell = row.cells.get(column)
    if cell is None:
        return f'<td data-label="{column}"></td>'
    has_unit = row.unit and cell.value is not None and column not in _COUNTED
    unit = f" <small>{row.unit}</small>" if has_unit else ""
    main = ' class="main"' if column == "mean" else ""
    shown_value = number(cell.value, unit=row.unit)
    return f'<td{main} data-label="{column}" title="{escape(cell.key)}">{shown_value}{unit}</td>'


def _reasons(row: Row) -> dict[str, list[str]]:
    """The columns that are null, by their reason."""
    found: dict[str, list[str]] = {}
    for column, cell in row.cells.items():
        if cell.value is None:
            found.setdefault(cell.reason, []).append(column)
    return found


def _facts_table(cells: dict[str, Cell]) -> str:
    if not cells:
        return ""
    body = "".join(
        f"<tr><th>{escape(_fact_name(name))}</th><td>{_fact(cell)}</td></tr>"
        for name, cell in cells.items()
    )
    return (
        "<h3>Counts and times</h3>"
        f'<div class="card"><table class="facts"><tbody>{body}</tbody></table></div>'
    )


def _fact_name(name: str) -> str:
    """ "n_test" -> "Test samples", "seconds_pretrain" -> "Time, pretrain" """
    words = name.replace("_", " ")
    if words.startswith("n "):
        words = f"{words[2:]} samples"
    elif "seconds" in words:
        words = f"time, {words.replace('seconds', '').strip()}"
    return words[:1].upper() + words[1:]


def _fact(cell: Cell) -> str:
    if cell.value is None:
        return f"{number(None)}: {escape(cell.reason)}"
    is_time = "seconds" in cell.key and not isinstance(cell.value, str)
    return number(cell.value, text=duration(float(cell.value)) if is_time else None)
