"""study.html: one file that needs nothing else, neither network nor scripts."""

from collections.abc import Sequence
from datetime import date
from html import escape

import yaml

from handpose.report.stylesheet import STYLESHEET
from handpose.study.findings import Findings
from handpose.study.multiruns import Failure, command_line
from handpose.study.sections import Figures, cost, differences, results, seeds, tuning
from handpose.study.verdict import progress_text, verdict

_OWN_STYLE = """
.scroll { overflow-x: auto; }
.verdict { font-size: 16px; max-width: 88ch; }
.numbers td.main { color: var(--accent); }
.commands pre { margin: 6px 0; }
@media (max-width: 700px) { .numbers td { white-space: normal; } }
"""


def render_page(findings: Findings, figures: Figures, *, plan: object) -> str:
    """The whole page.

    Args:
        figures: name -> PNG.
        plan: the study's file, in plain values.
    """
    study = findings.study
    title = escape(study.question)
    answer = escape(verdict(findings)).replace(" %", "&nbsp;%")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(study.name)}</title><style>{STYLESHEET}{_OWN_STYLE}</style></head>"
        f'<body><main><p class="eyebrow">handpose study</p><h1>{title}</h1>'
        f'<p class="muted">{escape(study.name)} · {progress_text(findings)} · '
        f'<span class="whole">{date.today().isoformat()}</span></p>'
        f'<p class="verdict">{answer}</p>{_unfinished(findings.unfinished)}'
        f"{results(findings, figures)}{differences(findings, figures)}{seeds(findings, figures)}"
        f"{tuning(findings)}{cost(findings)}{_plan(findings, plan)}"
        "<footer>The exact numbers lie in study.json, the tables for a text in table.md.</footer>"
        "</main></body></html>\n"
    )


def _unfinished(failures: Sequence[Failure]) -> str:
    if not failures:
        return ""
    rows = "".join(
        f"<tr><th>{escape(failure.folder)}</th><td>{escape(failure.reason)}</td></tr>"
        for failure in failures
    )
    return (
        f"<details><summary>Not finished: {len(failures)}</summary>"
        f'<div class="card"><table class="facts"><tbody>{rows}</tbody></table></div></details>'
    )


def _plan(findings: Findings, plan: object) -> str:
    commands = "".join(f"<pre>{escape(command_line(one))}</pre>" for one in findings.commands)
    text = yaml.safe_dump(plan, sort_keys=False, default_flow_style=None, allow_unicode=True)
    return (
        f"<h2>What was run</h2><pre>{escape(text)}</pre>"
        f'<details class="commands"><summary>All {len(findings.commands)} commands</summary>'
        f"{commands}</details>"
    )
