"""doctor.html: one file that needs nothing else, neither network nor scripts."""

from collections.abc import Iterable, Sequence
from html import escape

from handpose.data.base import SPLITS
from handpose.doctor.advice import Advice
from handpose.doctor.cells import Cell, source_lines, split_cells
from handpose.doctor.contact_sheet import as_address
from handpose.doctor.diagnosis import Diagnosis
from handpose.doctor.findings import Drawn, Finding, SourceFacts
from handpose.report.style import FINGER_COLOURS
from handpose.report.stylesheet import STYLESHEET

_FOLDED = 20  # bad files: more are folded away
_OWN_STYLE = """
.verdict { padding: 12px 18px; max-width: none; border-left: 5px solid #b3261e; font-weight: 600; }
.verdict.ready { border-left-color: #228833; }
.advice { padding: 6px 20px 6px 38px; margin: 0; } .advice li { padding: 7px 0; }
.advice li::marker { content: "· "; } .advice .blocks::marker { content: "✗ "; color: #d04a3f; }
.advice p { margin: 0; max-width: none; overflow-wrap: anywhere; }
.odd { color: #d04a3f; font-weight: 650; }
.bad th, .bad td { overflow-wrap: anywhere; }
.bad th { width: 42%; font: 12.5px/1.5 ui-monospace, Menlo, Consolas, monospace; }
@media (max-width: 700px) { .bad th { width: auto; } }
.sheet { display: grid; gap: 12px 14px; margin: 0 0 8px;
  grid-template-columns: repeat(auto-fill, minmax(max(160px, 22%), 1fr)); }
.sheet figure { margin: 0; } .sheet img { display: block; width: 100%; border-radius: 8px; }
.sheet figcaption { font-size: 12px; overflow-wrap: anywhere; margin: 5px 1px 0; }
.finger { display: inline-block; width: 10px; height: 10px; border-radius: 50%;
  margin: 0 5px 0 12px; }
"""


def render_page(diagnosis: Diagnosis, *, command: str) -> str:
    """The whole page."""
    title = " + ".join(dict.fromkeys(source.name for source in diagnosis.sources))
    sections = "".join(
        _source(source, diagnosis.drawn.get(source.key, ())) for source in diagnosis.sources
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · doctor</title><style>{STYLESHEET}{_OWN_STYLE}</style></head>"
        f'<body><main><p class="eyebrow">handpose doctor</p><h1>{escape(title)}</h1>'
        f"<pre>{escape(command)}</pre>{_verdict(diagnosis)}{sections}"
        "<footer>The same facts, for programs, lie in doctor.json.</footer></main></body></html>\n"
    )


def _verdict(diagnosis: Diagnosis) -> str:
    state = "ready" if diagnosis.is_ready else "blocked"
    verdict = f'<p class="card verdict {state}">{escape(diagnosis.verdict)}</p>'
    if not diagnosis.advice:
        return verdict
    lines = "".join(map(_advice, diagnosis.advice))
    return f'{verdict}<h2>What to do</h2><div class="card"><ul class="advice">{lines}</ul></div>'


def _advice(advice: Advice) -> str:
    command = f"<pre>{escape(advice.command)}</pre>" if advice.command else ""
    kind = ' class="blocks"' if advice.blocks else ""
    return f"<li{kind}><p>{escape(advice.text)}</p>{command}</li>"


def _source(source: SourceFacts, drawn: Sequence[Drawn]) -> str:
    facts = _rows(source_lines(source).items())
    bad = _findings(source.findings + source.gone_bad)
    return (
        f'<h2>{escape(source.name)}</h2><div class="card"><table class="facts"><tbody>{facts}'
        f"</tbody></table></div>{_splits(source)}{bad}{_samples(drawn)}"
    )


def _rows(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in pairs
    )


def _splits(source: SourceFacts) -> str:
    if not source.splits:
        return ""
    head = "".join(f"<th>{name}</th>" for name in ("split", *split_cells(source.splits[0])))
    body = "".join(
        f"<tr><th>{facts.split}</th>"
        + "".join(_cell(name, cell) for name, cell in split_cells(facts).items())
        + "</tr>"
        for facts in source.splits
    )
    measured = max(facts.measures.hands for facts in source.splits)
    return (
        f'<h3>Splits</h3><div class="card"><table class="numbers"><thead><tr>{head}</tr></thead>'
        f'<tbody>{body}</tbody></table></div><p class="muted note">2D, 3D and camera: hands that '
        f"have them. Of up to {measured} hands of a split: px off and max px, the median and "
        "largest distance of uv from where K projects xyz to (0 where uv is that projection); "
        "in box, the labelled joints that lie in their hand’s box; bone mm, the median length of "
        "the reference bone.</p>"
    )


def _cell(name: str, cell: Cell) -> str:
    odd = ' class="odd"' if cell.is_odd else ""
    return f'<td{odd} data-label="{name}">{escape(cell.text)}</td>'


def _findings(findings: Sequence[Finding]) -> str:
    if not findings:
        return ""
    rows = _rows((f.file, f.reason + " (left out)" * f.is_left_out) for f in findings)
    table = f'<div class="card"><table class="facts bad"><tbody>{rows}</tbody></table></div>'
    if len(findings) > _FOLDED:
        table = f"<details><summary>All {len(findings):,}</summary>{table}</details>"
    return f"<h3>Bad files and records</h3>{table}"


def _samples(drawn: Sequence[Drawn]) -> str:
    if not drawn:
        return ""
    legend = "".join(
        f'<span class="finger" style="background:{colour}"></span>{finger}'
        for finger, colour in FINGER_COLOURS.items()
    )
    sheets = "".join(
        f"<h3>{split}</h3>"
        f'<div class="sheet">{"".join(_tile(one) for one in drawn if one.split == split)}</div>'
        for split in SPLITS
        if any(one.split == split for one in drawn)
    )
    note = f'<p class="muted note">The box in white; the joints by finger: {legend}</p>'
    return f"<h3>Samples</h3>{note}{sheets}"


def _tile(drawn: Drawn) -> str:
    name = drawn.key.partition("/")[2] or drawn.key
    address = as_address(drawn.picture)
    return (
        f'<figure><img src="{address}" alt="{escape(drawn.key)}" loading="lazy">'
        f"<figcaption>{drawn.side} · {escape(name)}</figcaption></figure>"
    )
