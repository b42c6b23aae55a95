"""What pre-training learned: errors on held-out pairs, beside chance and the untrained network."""

from html import escape
from typing import NamedTuple

from handpose.evaluation.evaluation import Results
from handpose.report.html import number
from handpose.report.rows import PRETEXT, Value

_LABELS = {
    "rotation_error_deg": "Rotation error, degrees",
    "log_scale_error": "Error of the log scale",
    "top1": "True partner ranked first",
    "alignment": "Alignment of the two views",
    "uniformity": "Uniformity",
    "rank": "Rank (RankMe)",
    "equivariance_error": "Equivariance error",
    "probe_pa_epe_mm": "Probe: aligned 3D error (PA), mm",
}
_PROBE, _MEAN_POSE = "probe_pa_epe_mm", "probe_mean_pose_pa_epe_mm"
COLUMNS = ("trained", "chance", "untrained")


class PretextRow(NamedTuple):
    """One term of the objective."""

    label: str
    key: str
    values: tuple[Value, Value, Value]  # in the order of COLUMNS, None where it does not apply


def pretext_rows(results: Results) -> list[PretextRow]:
    """The terms "pretext_<term>", each with "<..._chance...>" and "pretext_untrained_<term>"."""
    rows = []
    for key in results:
        term = key.removeprefix(PRETEXT)
        if term == key or term.startswith("untrained_") or _stands_beside_another(term):
            continue
        chance = results.get(f"{PRETEXT}{_chance(term)}")
        values = (results[key], chance, results.get(f"{PRETEXT}untrained_{term}"))
        rows.append(PretextRow(_LABELS.get(term, term), key, values))
    return rows


def _stands_beside_another(term: str) -> bool:
    return "_chance" in term or term == _MEAN_POSE or term.endswith("_reason")


def _chance(term: str) -> str:
    """The name of what the best constant, or a guess, gets."""
    if term == _PROBE:
        return _MEAN_POSE
    return term.replace("_error", "_chance") if "_error" in term else f"{term}_chance"


def pretext_table(results: Results) -> str:
    """The rows as HTML; nothing without pre-training."""
    rows = pretext_rows(results)
    if not rows:
        return ""
    head = "".join(f"<th>{name}</th>" for name in ("held-out pairs", *COLUMNS))
    body = "".join(_row(row) for row in rows)
    return (
        "<h3>Pre-training</h3>"
        f'<div class="card"><table class="numbers"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _row(row: PretextRow) -> str:
    cells = "".join(
        f'<td data-label="{name}">{"" if value is None else number(value)}</td>'
        for name, value in zip(COLUMNS, row.values, strict=True)
    )
    return f"<tr><th>{escape(row.label)} <code>{escape(row.key)}</code></th>{cells}</tr>"
